"""Who acts holds a grant; it narrows on the way down, and what was taken back admits nothing more (invariant 4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bailiwick import Agent, Bailiwick, Charter, Handle, Rule, action, tool
from bailiwick.charter import Approval
from bailiwick.effects import EffectClass, Revocation, RulingVerdict
from bailiwick.errors import NotGranted, OverBudget, Revoked
from bailiwick.gateway import Gateway, Terms
from bailiwick.grants import Budget, Limit, Low, Narrowing
from bailiwick.testing import run
from tests.unit.agents.test_agreeing import answer
from tests.worlds import KeptLedger, bare_world, copy_of, intents, records, within

EVERYTHING = Charter(allow=(Rule(),))


@tool(effect="irreversible")
async def send(to: str, text: str) -> str:
    return f"{text} to {to}"


@tool(effect="read")
async def look(where: str) -> str:
    return where


class Clerk(Agent):
    lows: int = 0

    @action
    async def send(self, to: str) -> str:
        return await self.use(send, to, "hello")

    @action
    async def look(self, where: str) -> str:
        return await self.use(look, where)

    @action
    async def hire(self, terms: Terms) -> Handle[Clerk]:
        return await self.launch(Clerk, terms=terms)

    @action
    async def told(self) -> int:
        return self.lows

    async def on_low(self, low: Low) -> None:
        self.lows += 1


def gateway_of(bw: Bailiwick) -> Gateway:
    return bw._gateway  # pyright: ignore[reportPrivateUsage]


def granting(*tools: str, **more: Any) -> Terms:
    return Terms(grant=Narrowing(tools=tools, **more))


def test_a_launch_narrows_what_may_be_asked_for() -> None:
    async def scenario(bw: Bailiwick) -> None:
        limit = Limit(tool="send", argument="to", one_of=("ada",))
        clerk = await bw.launch(Clerk, terms=granting("send", "Clerk", "Clerk.*", arguments=(limit,)))
        assert await clerk.send("ada") == "hello to ada"
        with pytest.raises(NotGranted, match="one of 'ada'"):
            await clerk.send("eve")
        with pytest.raises(NotGranted):
            await clerk.look("here")
        helper = await clerk.hire(Terms())
        with pytest.raises(NotGranted):
            await helper.send("eve")
        with pytest.raises(NotGranted):
            await clerk.hire(granting("*"))

    within(scenario, charter=EVERYTHING)


def test_uses_are_counted_for_all_below_and_over_a_crash() -> None:
    async def main(bw: Bailiwick) -> list[str]:
        clerk = await bw.launch(Clerk, terms=granting("*", uses=5))
        said: list[str] = []
        for number in range(5):
            try:
                said.append(await clerk.look(f"place {number}"))
            except NotGranted as error:
                said.append(error.facts["why"])
        return said

    def go(ledger: KeptLedger, *, resume: bool) -> Any:
        async def whole() -> Any:
            async with bare_world(ledger, charter=EVERYTHING) as bw:
                return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

        return run(whole())

    whole = KeptLedger()
    expected = go(whole, resume=False)
    looked = intents(whole, "look")
    assert len(looked) == 5
    cut = next(
        seq for seq, record in enumerate(records(whole), 1) if getattr(record, "id", "") == looked[2].id and hasattr(record, "status")
    )
    assert go(copy_of(whole, first=cut), resume=True) == expected


def test_what_was_taken_back_admits_nothing_more_here_and_after_a_restart() -> None:
    ledger = KeptLedger()

    async def main(bw: Bailiwick) -> str:
        clerk = await bw.launch(Clerk)
        other = await bw.launch(Clerk)
        helper = await clerk.hire(Terms())
        await clerk.look("here")
        if not any(isinstance(record, Revocation) for record in records(ledger)):
            taken = gateway_of(bw).revoke(Revocation(agent=clerk.agent_id, who="ada"))
            assert len(taken.grants) == 2
        for revoked in (clerk, helper):
            with pytest.raises(Revoked):
                await revoked.look("there")
        return await other.look("there")

    async def whole(*, resume: bool) -> Any:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

    assert run(whole(resume=False)) == "there"
    (kept,) = [record for record in records(ledger) if isinstance(record, Revocation)]
    assert kept.who == "ada"
    assert kept.at_ns > 0
    ended = max(seq for seq, record in enumerate(records(ledger), 1) if getattr(record, "tool", "") == "look")
    ledger = copy_of(ledger, first=ended - 1)
    assert run(whole(resume=True)) == "there"


def test_nobody_acts_who_was_never_launched() -> None:
    async def scenario(bw: Bailiwick) -> None:
        await bw.use(look, "here")
        (asked,) = intents(ledger, "look")
        from msgspec.structs import replace

        from bailiwick.ids import AgentId, EffectId

        stranger = replace(asked, id=EffectId("eff_" + "9" * 32), agent=AgentId("agt_" + "9" * 32))
        actuator = gateway_of(bw)
        assert actuator is not None
        outcome = await actuator.perform(stranger, bw._hosted.asking.actuator(look))  # pyright: ignore[reportPrivateUsage]
        assert outcome.status == "refused"

    ledger = KeptLedger()
    within(scenario, ledger, charter=EVERYTHING)


def test_running_low_is_told_before_it_is_a_stop() -> None:
    async def scenario(bw: Bailiwick) -> int:
        clerk = await bw.launch(Clerk, terms=Terms(budget=Budget(calls={"look": 5})))
        for number in range(5):
            await clerk.look(f"place {number}")
            await asyncio.sleep(0.1)
        told = await clerk.told()
        with pytest.raises(OverBudget):
            await clerk.look("one more")
        return told

    assert within(scenario, charter=EVERYTHING) == 1


def test_an_effect_class_that_was_not_granted_is_refused() -> None:
    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk, terms=granting("*", effects=(EffectClass.READ, EffectClass.IDEMPOTENT)))
        assert await clerk.look("here") == "here"
        with pytest.raises(NotGranted):
            await clerk.send("ada")

    within(scenario, charter=EVERYTHING)


def test_what_waits_for_people_is_not_done_once_the_grant_was_taken_back() -> None:
    asking = Charter(allow=(Rule(),), approvals=(Approval(tool="send", ask=("ada",)),))

    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk)
        sending = asyncio.ensure_future(clerk.send("bob"))
        while not gateway_of(bw).approvals.waiting():
            await asyncio.sleep(0)
        gateway_of(bw).revoke(Revocation(agent=clerk.agent_id, who="ada"))
        answer(bw, RulingVerdict.APPROVE)
        with pytest.raises(Revoked):
            await sending

    ledger = KeptLedger()
    within(scenario, ledger, charter=asking)
    (intent,) = intents(ledger, "send")
    past = ledger.find(intent.id)
    assert past is not None
    assert past.outcome is not None
    assert past.outcome.status == "refused"
