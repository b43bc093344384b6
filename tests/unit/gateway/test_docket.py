"""Plans that were approved, what is sealed of a docket, and what the record shows of what waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from bailiwick import codec
from bailiwick.effects import EffectClass, Intent, fold
from bailiwick.errors import Refused
from bailiwick.gateway import Docket, planned
from bailiwick.ids import AgentId
from bailiwick.testing import run
from tests.unit.gateway.approving import CHARTER, MINUTE, Desk, approval, at, at_a_desk, changed, intent

PAY = intent()


def test_a_plan_is_approved_once_and_used_up() -> None:
    async def scenario(desk: Desk) -> None:
        calls = [
            planned("pay", exactly=changed(7)),
            planned("write", times=2, path=["a.txt", "b.txt"]),
        ]
        plan = intent(1, tool="plan", effect=EffectClass.PURE)
        task = asyncio.ensure_future(desk.approvals.cleared(plan, [approval("cfo")], CHARTER, plan=calls))
        await desk.turn()
        with pytest.raises(Refused, match="as it is"):
            desk.rule(plan, "cfo", "modify", arguments=changed(8))
        assert not desk.approvals.covered(intent(2), [approval("cfo")], CHARTER)
        desk.rule(plan, "cfo")
        desk.act(await task)

        def covers(asked: Intent, *wanted: Any, charter: str = CHARTER) -> bool:
            return desk.approvals.covered(asked, wanted or [approval("cfo")], charter)

        write = replace(intent(3, tool="write", effect=EffectClass.IDEMPOTENT), arguments=codec.encode({"path": "a.txt", "text": "x"}))
        assert not covers(intent(2, amount=8))
        assert not covers(intent(2), charter="new")
        assert not covers(intent(2), approval("cfo"), approval("ceo"))
        assert not covers(replace(intent(2), agent=AgentId("agt_0123456789ab" + "09" * 10)))
        assert not covers(replace(write, effect=EffectClass.IRREVERSIBLE))
        assert not covers(replace(write, arguments=codec.encode({"path": "c.txt"})))
        assert not covers(replace(write, arguments=codec.encode({"text": "x"})))
        assert covers(intent(2))
        assert covers(intent(2))  # The same effect: it counts once.
        assert not covers(intent(2, amount=8))  # But not with other arguments.
        assert not covers(intent(5))
        desk.append(intent(2))
        assert covers(write)
        state = desk.docket.state()
        async with at(desk.ledger) as later:
            assert later.docket.state() == replace(state, used={plan.id: {intent(2).id: 0}})  # The write is not on record: not begun.
            assert not later.approvals.covered(intent(5), [approval("cfo")], CHARTER)
            for number, still in ((6, True), (7, True), (8, False)):
                assert later.approvals.covered(replace(write, id=intent(number).id), [approval("cfo")], CHARTER) is still
        await desk.clock.sleep(10 * MINUTE)
        assert not covers(replace(write, id=intent(9).id))

    at_a_desk(scenario)


def test_what_is_sealed_of_a_docket_restores_it() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(1, 6):
            await desk.parked(intent(number), approval("ann", "bob", need=2, escalate_to=["cfo"]))
        desk.rule(intent(2), "ann")
        desk.rule(intent(3), "bob", "escalate")
        desk.rule(intent(4), "bob", "reject")
        restored = Docket()
        restored.restore(desk.docket.state(), desk.ledger.entries)
        assert restored.state() == desk.docket.state()
        for effect, case in desk.docket.cases.items():
            other = restored.cases[effect]
            assert (other.requests, other.rulings, other.state) == (case.requests, case.rulings, case.state)

    async def whole() -> None:
        async with at() as desk:
            try:
                await scenario(desk)
            finally:
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()

    run(whole())


def test_the_fold_shows_what_waits_and_who_said_what() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        effect = fold((entry.seq, entry.record) for entry in desk.ledger.entries())[PAY.id]
        assert (effect.state, effect.is_doubtful, effect.intent) == ("waiting", False, PAY)
        desk.rule(PAY)
        desk.act(await task)
        effect = fold((entry.seq, entry.record) for entry in desk.ledger.entries())[PAY.id]
        assert (effect.state, [ruling.who for ruling in effect.rulings], len(effect.requests)) == ("done", ["ada"], 1)

    at_a_desk(scenario)


def test_the_gateway_may_be_killed_between_the_yes_and_the_act() -> None:
    async def scenario(desk: Desk) -> None:
        task = await desk.parked(PAY, approval())
        desk.rule(PAY)
        assert await task == PAY
        async with at(desk.ledger) as later:  # The intent is not on record: nothing acted.
            assert await later.ask(PAY, approval()) == PAY
            later.act(PAY)
        async with at(desk.ledger) as after:
            assert after.docket.idle

    at_a_desk(scenario)
