"""What agents may do narrows on the way down, is asked before it is done, and is the same after a crash (invariants 4 and 7)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bailiwick import Agent, Bailiwick, Charter, Handle, Rule, action, tool
from bailiwick.charter import Answer, Approval, SafetyEnvelope
from bailiwick.codec import decode
from bailiwick.effects import EffectClass
from bailiwick.errors import BadInput, LeavesEnvelope, NotAllowed, OverBudget
from bailiwick.gateway import Terms
from bailiwick.grants import Budget
from bailiwick.testing import run
from tests.unit.agents.paying import done, forget, look, pay
from tests.worlds import KeptLedger, bare_world, copy_of, intents, outcome_of, records, within

__all__ = ["forget"]  # A fixture for every test here.

EVERYTHING = Charter(allow=(Rule(),))


class Clerk(Agent):
    @action
    async def pay(self, to: str, usd: int) -> str:
        return await self.use(pay, to, usd)

    @action
    async def may_pay(self, to: str, usd: int) -> tuple[bool, str]:
        found = await self.may(pay, to, usd)
        return bool(found), found.why

    @action
    async def hire(self, terms: Terms) -> Handle[Clerk]:
        return await self.launch(Clerk, terms=terms)


def test_a_child_never_does_what_its_parent_may_not() -> None:
    async def scenario(bw: Bailiwick) -> None:
        narrow = await bw.launch(Clerk, terms=Terms(charter=Charter(allow=(Rule(effect=EffectClass.READ),))))
        wide = await narrow.hire(Terms(charter=EVERYTHING))
        for clerk in (narrow, wide):
            with pytest.raises(NotAllowed, match="allows it"):
                await clerk.pay("ada", 1)
        free = await bw.launch(Clerk)
        assert await free.pay("ada", 1) == "paid 1 to ada"

    within(scenario, charter=EVERYTHING)
    assert done == {"ada 1": 1}


def test_a_child_spends_what_it_was_given_and_what_is_left_returns() -> None:
    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk, terms=Terms(budget=Budget(calls={"pay": 2})))
        assert bw.purse.left["calls.pay"] == 3
        helper = await clerk.hire(Terms(budget=Budget(calls={"pay": 1})))
        await helper.pay("ada", 1)
        await clerk.pay("ada", 2)
        for spent in (clerk, helper):
            with pytest.raises(OverBudget):
                await spent.pay("ada", 3)
        with pytest.raises(OverBudget):
            await bw.launch(Clerk, terms=Terms(budget=Budget(calls={"pay": 4})))
        assert bw.purse.calls["pay"] == 2

    within(scenario, charter=EVERYTHING, budget=Budget(calls={"pay": 5}))


async def of_two_purses(bw: Bailiwick) -> dict[str, float]:
    clerk = await bw.launch(Clerk, terms=Terms(budget=Budget(calls={"pay": 3})))
    for number in range(2):
        await clerk.pay("ada", number)
    await bw.use(pay, "bob", 1)
    await bw.use(look, "here")
    return {**bw.purse.left, "spent": bw.purse.calls["pay"]}


def test_wherever_a_crash_strikes_purses_have_what_they_had() -> None:
    whole = KeptLedger()

    def go(ledger: KeptLedger, *, resume: bool) -> Any:
        async def main() -> Any:
            async with bare_world(ledger, charter=EVERYTHING, budget=Budget(calls={"pay": 6})) as bw:
                return await (bw.resume(of_two_purses, name="main") if resume else bw.run(of_two_purses, name="main"))

        return run(main())

    expected = go(whole, resume=False)
    assert expected == {"calls.pay": 2, "spent": 3}
    ends = [seq for seq, record in enumerate(records(whole), 1) if getattr(record, "status", None) is not None]
    for first in ends[:-1]:
        assert go(copy_of(whole, first=first), resume=True) == expected, first


def test_who_asks_first_is_told_and_nothing_is_done() -> None:
    charter = Charter(
        allow=(Rule(tool="pay", when="context.arguments.usd < 100"),),
        approvals=(Approval(tool="pay", when="context.arguments.usd > 10", ask=("ada",)),),
        envelopes=(SafetyEnvelope(name="twice", property="at most 1 pay per 1h"),),
    )

    async def scenario(bw: Bailiwick) -> None:
        assert await bw.may(pay, "ada", 1)
        large, too_large = await bw.may(pay, "ada", 50), await bw.may(pay, "ada", 500)
        assert (large.answer, large.ask, too_large.answer) == (Answer.ASK, ("ada",), Answer.DENY)
        assert "allows it" in too_large.why
        assert not done
        await bw.use(pay, "ada", 2)
        again = await bw.may(pay, "ada", 3)
        assert (again.answer, "1 pay per 1h" in again.why) == (Answer.DENY, True)
        with pytest.raises(BadInput):
            await bw.may(pay, "ada")

    ledger = KeptLedger()
    within(scenario, ledger, charter=charter)
    assert done == {"ada 2": 1}


def test_what_was_said_before_a_crash_is_said_after_it() -> None:
    async def main(bw: Bailiwick) -> list[bool]:
        said = [bool(await bw.may(pay, "ada", 1))]
        await bw.use(look, "here")
        return [*said, bool(await bw.may(pay, "ada", 1))]

    def go(ledger: KeptLedger, charter: Charter, *, resume: bool) -> Any:
        async def whole() -> Any:
            async with bare_world(ledger, charter=charter) as bw:
                return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

        return run(whole())

    whole = KeptLedger()
    assert go(whole, EVERYTHING, resume=False) == [True, True]
    looked = next(seq for seq, record in enumerate(records(whole), 1) if getattr(record, "tool", "") == "look")
    reading = Charter(allow=(Rule(effect=EffectClass.READ),))
    assert go(copy_of(whole, first=looked + 1), reading, resume=True) == [True, False]


def test_properties_over_time_count_what_was_done_before_a_crash() -> None:
    charter = Charter(allow=(Rule(),), envelopes=(SafetyEnvelope(name="few", property="at most 2 pay"),))

    async def main(bw: Bailiwick) -> str:
        await bw.use(pay, "ada", 1)
        await bw.use(pay, "ada", 2)
        try:
            return await bw.use(pay, "ada", 3)
        except LeavesEnvelope as error:
            return error.facts["envelope"]

    def go(ledger: KeptLedger, *, resume: bool) -> Any:
        async def whole() -> Any:
            async with bare_world(ledger, charter=charter) as bw:
                return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

        return run(whole())

    whole = KeptLedger()
    assert go(whole, resume=False) == "few"
    second = outcome_of(whole, intents(whole, "pay")[1])
    cut = next(seq for seq, record in enumerate(records(whole), 1) if record == second)
    done.clear()
    assert go(copy_of(whole, first=cut), resume=True) == "few"
    assert not done


def test_an_agents_own_envelope_binds_those_it_launches_too() -> None:
    own = Charter(allow=(Rule(),), envelopes=(SafetyEnvelope(name="once", property="at most 1 pay", scope="all"),))

    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk, terms=Terms(charter=own))
        helper = await clerk.hire(Terms())
        await helper.pay("ada", 1)
        with pytest.raises(LeavesEnvelope):
            await clerk.pay("ada", 2)
        await bw.use(pay, "bob", 3)

    within(scenario, charter=EVERYTHING)


def test_an_amendment_is_effective_at_once_on_record_and_reversible() -> None:
    narrow = Charter(allow=(Rule(effect=EffectClass.READ), Rule(tool="charter.amend")))
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        clerk = await bw.launch(Clerk)
        with pytest.raises(NotAllowed):
            await clerk.pay("ada", 1)
        before = await bw.amend(EVERYTHING, why="she asked")
        assert await clerk.pay("ada", 1) == "paid 1 to ada"
        assert before == narrow
        await bw.amend(before)
        with pytest.raises(NotAllowed):
            await clerk.pay("ada", 2)

    within(scenario, ledger, charter=narrow)
    assert [decode(intent.arguments).get("why", "") for intent in intents(ledger, "charter.amend")] == ["she asked", ""]


def test_a_charter_that_does_not_hold_water_is_not_put_in_force() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(BadInput):
            await bw.amend(Charter(allow=(Rule(when="context.argumints.usd > 1"),)))
        with pytest.raises(NotAllowed):
            await bw.amend(EVERYTHING)

    within(scenario, charter=Charter(allow=(Rule(effect=EffectClass.READ),)))


def test_the_next_process_goes_on_under_the_amendment_unless_the_settings_changed() -> None:
    ledger = KeptLedger()
    narrow = Charter(allow=(Rule(effect=EffectClass.READ), Rule(tool="charter.amend")))

    async def amend(bw: Bailiwick) -> None:
        await bw.amend(EVERYTHING)

    async def try_it(bw: Bailiwick) -> bool:
        return bool(await bw.may(pay, "ada", 1))

    within(amend, ledger, charter=narrow)
    assert within(try_it, ledger, charter=narrow)
    assert not within(try_it, ledger, charter=Charter(allow=(Rule(effect=EffectClass.READ),)))


def test_what_comes_too_soon_waits_for_its_turn() -> None:
    async def scenario(bw: Bailiwick) -> timedelta:
        clock = bw._clock  # pyright: ignore[reportPrivateUsage]
        began_ns = clock.monotonic_ns()
        for number in range(3):
            await bw.use(look, f"place {number}")
        return timedelta(microseconds=(clock.monotonic_ns() - began_ns) / 1_000)

    took = within(scenario, budget=Budget(calls_per_min={"look": 2}))
    assert timedelta(seconds=50) < took <= timedelta(seconds=65)


def test_an_effect_in_doubt_that_may_not_be_tried_again_waits_for_a_person() -> None:
    @tool(effect="idempotent")
    async def put() -> int:
        done["put"] += 1
        return 1

    async def main(bw: Bailiwick) -> int:
        return await bw.use(put)

    def go(ledger: KeptLedger, charter: Charter, *, resume: bool) -> Any:
        async def whole() -> Any:
            async with bare_world(ledger, charter=charter) as bw:
                return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

        return run(whole())

    ledger = KeptLedger()
    go(ledger, EVERYTHING, resume=False)
    (intent,) = intents(ledger, "put")
    cut = next(seq for seq, record in enumerate(records(ledger), 1) if record == intent)
    from bailiwick.errors import InDoubt

    with pytest.raises(InDoubt, match="may not be tried again"):
        go(copy_of(ledger, first=cut), Charter(allow=(Rule(effect=EffectClass.READ),)), resume=True)
    assert done == {"put": 1}


def test_a_charter_lies_under_those_of_fleet_and_site_also_when_it_is_amended(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('[[allow]]\n[[deny]]\ntool = "pay"\nreason = "not at this site"\n')

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(NotAllowed, match="not at this site"):
            await bw.use(pay, "ada", 1)
        await bw.amend(Charter(allow=(Rule(), Rule(tool="pay"))))
        with pytest.raises(NotAllowed, match="not at this site"):
            await bw.use(pay, "ada", 1)
        await bw.use(look, "here")

    within(scenario, charter=EVERYTHING, charters=(str(site),))
    assert done == {"here": 1}
