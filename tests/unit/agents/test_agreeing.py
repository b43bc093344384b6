"""What needs approval waits for it, is done as it was agreed to, and not otherwise (invariant 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bailiwick import Agent, Bailiwick, Charter, Handle, Rule, action
from bailiwick.charter import Approval
from bailiwick.codec import decode
from bailiwick.effects import Ruling, RulingVerdict
from bailiwick.errors import Rejected, Terminated
from bailiwick.gateway import Gateway, planned
from bailiwick.testing import run
from tests.unit.agents.paying import done, forget, look, pay
from tests.worlds import KeptLedger, bare_world, copy_of, intents, outcome_of, records, within


class Clerk(Agent):
    @action
    async def pay(self, to: str, usd: int) -> str:
        return await self.use(pay, to, usd)


__all__ = ["answer", "forget"]  # A fixture for every test here.

ASKING = Charter(allow=(Rule(),), approvals=(Approval(tool="pay", ask=("ada", "bob"), within_s=600),))


def gateway_of(bw: Bailiwick) -> Gateway:
    return bw._gateway  # pyright: ignore[reportPrivateUsage]


def answer(bw: Bailiwick, verdict: RulingVerdict, who: str = "ada", arguments: bytes = b"") -> None:
    (case,) = gateway_of(bw).approvals.waiting()
    newest = case.newest
    gateway_of(bw).approvals.rule(
        Ruling(
            id=newest.id, action=newest.action, charter=newest.charter, number=newest.number, who=who, verdict=verdict, arguments=arguments
        )
    )


async def asked(bw: Bailiwick, clerk: Handle[Clerk], verdict: RulingVerdict, **more: Any) -> str:
    paying = asyncio.ensure_future(clerk.pay("ada", 7))
    while not gateway_of(bw).approvals.waiting():
        await asyncio.sleep(0)
    assert not done
    answer(bw, verdict, **more)
    return await paying


def test_what_needs_a_yes_waits_for_it() -> None:
    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk)
        assert await asked(bw, clerk, RulingVerdict.APPROVE) == "paid 7 to ada"

    within(scenario, charter=ASKING)
    assert done == {"ada 7": 1}


def test_a_no_is_a_refusal_on_record() -> None:
    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk)
        with pytest.raises(Rejected, match="bob said no"):
            await asked(bw, clerk, RulingVerdict.REJECT, who="bob")

    ledger = KeptLedger()
    within(scenario, ledger, charter=ASKING)
    assert not done
    (intent,) = intents(ledger, "pay")
    outcome = outcome_of(ledger, intent)
    assert outcome is not None
    assert outcome.status == "refused"


def test_no_answer_is_a_no() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Rejected, match="nobody decided in time"):
            await bw.use(pay, "ada", 7)

    within(scenario, charter=ASKING)
    assert not done


def test_other_arguments_are_what_is_done_and_recorded_and_the_agent_sees_them() -> None:
    from bailiwick.codec import encode

    async def main(bw: Bailiwick) -> Any:
        paying = asyncio.ensure_future(bw.perform(pay, "ada", 7))
        while not gateway_of(bw).approvals.waiting():
            await asyncio.sleep(0)
        answer(bw, RulingVerdict.MODIFY, arguments=encode({"to": "ada", "usd": 5}))
        receipt = await paying
        return receipt.value, receipt.changed

    async def again(bw: Bailiwick) -> Any:
        receipt = await asyncio.ensure_future(bw.perform(pay, "ada", 7))
        return receipt.value, receipt.changed

    ledger = KeptLedger()

    async def whole(code: Any, *, resume: bool) -> Any:
        settings: dict[str, Any] = {"charter": Charter(allow=(Rule(),), approvals=(Approval(tool="pay", ask=("ada",)),))}
        async with bare_world(ledger, **settings) as bw:
            return await (bw.resume(code, name="main") if resume else bw.run(code, name="main"))

    expected = ["paid 5 to ada", {"to": "ada", "usd": 5}]
    assert list(run(whole(main, resume=False))) == expected
    assert done == {"ada 5": 1}
    (intent,) = intents(ledger, "pay")
    assert decode(intent.arguments) == {"to": "ada", "usd": 5}
    cut = next(seq for seq, record in enumerate(records(ledger), 1) if getattr(record, "id", "") == intent.id and hasattr(record, "status"))
    ledger = copy_of(ledger, first=cut)
    assert list(run(whole(again, resume=True))) == expected
    assert done == {"ada 5": 1}


def test_a_run_that_a_person_ended_does_nothing_more() -> None:
    async def scenario(bw: Bailiwick) -> None:
        async def main(bw: Bailiwick) -> None:
            with pytest.raises(Terminated):
                await bw.use(pay, "ada", 7)
            await bw.use(look, "here")

        running = asyncio.ensure_future(bw.run(main, name="main"))
        while not gateway_of(bw).approvals.waiting():
            await asyncio.sleep(0)
        answer(bw, RulingVerdict.TERMINATE)
        with pytest.raises(Terminated, match="ended it"):
            await running

    async def whole() -> None:
        async with bare_world(charter=ASKING) as bw:
            await scenario(bw)

    run(whole())
    assert not done


def test_a_plan_is_agreed_to_once_and_what_is_outside_it_is_asked_for_again() -> None:
    async def scenario(bw: Bailiwick) -> None:
        exactly = planned("pay", exactly=pay.signature.pack(("ada", 5), {}), times=2)
        proposing = asyncio.ensure_future(bw.propose_plan(exactly, why="two rates"))
        while not gateway_of(bw).approvals.waiting():
            await asyncio.sleep(0)
        answer(bw, RulingVerdict.APPROVE)
        await proposing
        for _ in range(2):
            await bw.use(pay, "ada", 5)
        for to, usd in (("ada", 5), ("eve", 5)):
            with pytest.raises(Rejected, match="nobody decided"):
                await bw.use(pay, to, usd)

    within(scenario, charter=ASKING)
    assert done == {"ada 5": 2}
