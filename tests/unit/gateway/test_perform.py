"""The door: the order of its checks, and what a crash leaves behind (invariants 1, 2, 3 and 7)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bailiwick import codec
from bailiwick.charter import Charter, Rule, compile_charter
from bailiwick.clock import SystemClock
from bailiwick.effects import Actuator, Cost, EffectClass, Intent, Kind, Outcome, Result, Status
from bailiwick.errors import Defect, InDoubt, LedgerUnavailable, ReplayDiverged
from bailiwick.gateway import Authority, Gateway
from bailiwick.grants import Budget, Purse
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing import Crash, FaultPlan, FaultyLedger
from tests.worlds import records

EVERYTHING = Charter(allow=(Rule(),))


class Witness(Actuator):
    """Counts how often it really acted, and what was on record when it did."""

    def __init__(self, ledger: Ledger, *, cost: Cost = Cost(), error: Exception | None = None) -> None:
        self.ledger = ledger
        self.acts = 0
        self.durable_intents: list[bool] = []
        self._cost = cost
        self._error = error

    async def act(self, intent: Intent) -> Result:
        self.acts += 1
        self.durable_intents.append(self.ledger.find(intent.id) is not None)
        if self._error is not None:
            raise self._error
        return Result(value=codec.encode(self.acts), cost=self._cost)


def intent(effect: EffectClass = EffectClass.PURE, *, number: int = 1, tool: str = "act", argument: Any = None) -> Intent:
    return Intent(
        id=EffectId(f"eff_{number:032x}"),
        run=RunId("run_" + "0" * 32),
        agent=AgentId("agt_" + "0" * 32),
        position=str(number),
        kind=Kind.TOOL,
        tool=tool,
        effect=effect,
        arguments=codec.encode({"argument": argument}),
    )


def door(ledger: Ledger, charter: Charter = EVERYTHING, budget: Budget = Budget()) -> Gateway:
    return Gateway(ledger, Authority(compile_charter(charter), Purse(budget)), SystemClock())


def perform(gateway: Gateway, asked: Intent, actuator: Actuator) -> Outcome:
    return asyncio.run(gateway.perform(asked, actuator))


@pytest.mark.parametrize("effect", EffectClass)
def test_nothing_acts_before_its_intent_is_on_record(effect: EffectClass) -> None:
    ledger = MemoryLedger()
    witness = Witness(ledger)
    assert perform(door(ledger), intent(effect), witness).status is Status.DONE
    assert witness.durable_intents == [True]


@pytest.mark.parametrize(("effect", "waits"), [(effect, effect not in ("pure", "read")) for effect in EffectClass])
def test_what_leaves_traces_waits_for_the_disk_before_it_acts(effect: EffectClass, waits: bool) -> None:
    ledger = FaultyLedger(MemoryLedger(), FaultPlan(fail_barrier=1))
    witness = Witness(ledger)
    if waits:
        with pytest.raises(LedgerUnavailable):
            perform(door(ledger), intent(effect), witness)
    else:
        perform(door(ledger), intent(effect), witness)
    assert witness.acts == (0 if waits else 1)


def test_an_outcome_on_record_is_returned_and_nothing_is_done() -> None:
    ledger = MemoryLedger()
    witness = Witness(ledger)
    first = perform(door(ledger), intent(), witness)
    assert perform(door(ledger), intent(), witness) == first
    assert witness.acts == 1


def test_a_different_question_under_the_same_id_is_a_defect_and_nothing_is_done() -> None:
    ledger = MemoryLedger()
    witness = Witness(ledger)
    perform(door(ledger), intent(argument="left"), witness)
    with pytest.raises(ReplayDiverged, match=r'asks `tool act\(\{"argument":"right"\}\)`.*holds `tool act\(\{"argument":"left"\}\)`'):
        perform(door(ledger), intent(argument="right"), witness)
    assert witness.acts == 1
    assert len(records(ledger)) == 2


@pytest.mark.parametrize("effect", EffectClass)
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_every_append(effect: EffectClass, number: int, when: str) -> None:
    """Never done twice unless its class says that twice is harmless; never forgotten once the intent is on record."""
    ledger = MemoryLedger()
    plan = FaultPlan(crash_before_append=number) if when == "before" else FaultPlan(crash_after_append=number)
    witness = Witness(ledger)
    with pytest.raises(Crash):
        perform(door(FaultyLedger(ledger, plan)), intent(effect), witness)
    acted, had_outcome = witness.acts, when == "after" and number == 2
    had_intent = number == 2 or when == "after"
    if had_intent and not had_outcome and not effect.repeatable:
        for _ in range(2):  # Asked again, it is still in doubt: nobody forgets it.
            with pytest.raises(InDoubt):
                perform(door(ledger), intent(effect), witness)
        assert witness.acts == acted
        return
    assert perform(door(ledger), intent(effect), witness).status is Status.DONE
    assert witness.acts == acted + (0 if had_outcome else 1)
    assert len(records(ledger)) == (3 if had_intent and not had_outcome else 2)  # A second try stands on record too.


def test_deny_wins_over_allow_and_the_refusal_teaches() -> None:
    ledger = MemoryLedger()
    witness = Witness(ledger)
    charter = Charter(allow=(Rule(tool="a*"),), deny=(Rule(tool="act"),))
    outcome = perform(door(ledger, charter), intent(), witness)
    assert witness.acts == 0
    assert outcome.status is Status.REFUSED
    assert outcome.failure is not None
    assert 'the charter forbids tool "act"' in outcome.failure.message
    assert 'allowed are: tool "a*"' in outcome.failure.message
    assert records(ledger)[-1] == outcome


def test_what_nothing_allows_is_denied() -> None:
    ledger = MemoryLedger()
    witness = Witness(ledger)
    assert perform(door(ledger, Charter(allow=())), intent(), witness).status is Status.REFUSED
    assert witness.acts == 0


def test_without_a_charter_only_the_irreversible_is_denied() -> None:
    for effect in EffectClass:
        ledger = MemoryLedger()
        outcome = perform(door(ledger, Charter()), intent(effect), Witness(ledger))
        assert (outcome.status is Status.REFUSED) == (effect is EffectClass.IRREVERSIBLE)


def test_a_refusal_is_the_past_too() -> None:
    ledger = MemoryLedger()
    perform(door(ledger, Charter(allow=())), intent(), Witness(ledger))
    assert perform(door(ledger, EVERYTHING), intent(), Witness(ledger)).status is Status.REFUSED


def test_a_failure_is_recorded_with_type_message_and_traceback() -> None:
    ledger = MemoryLedger()
    outcome = perform(door(ledger), intent(), Witness(ledger, error=OSError(28, "No space left on device")))
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert outcome.failure.type == "builtins:OSError"
    assert "No space left" in outcome.failure.message
    assert "in act" in outcome.failure.traceback


def test_what_leaves_an_effect_open_is_not_recorded_as_its_outcome() -> None:
    ledger = MemoryLedger()
    with pytest.raises(Defect, match="broken"):
        perform(door(ledger), intent(), Witness(ledger, error=Defect("broken")))
    assert len(records(ledger)) == 1
    assert perform(door(ledger), intent(), Witness(ledger)).status is Status.DONE


def test_a_cancelled_effect_stays_open() -> None:
    class Endless(Actuator):
        async def act(self, intent: Intent) -> Result:
            await asyncio.Event().wait()
            raise AssertionError

    ledger = MemoryLedger()

    async def scenario() -> None:
        task = asyncio.ensure_future(door(ledger).perform(intent(), Endless()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    past = ledger.find(intent().id)
    assert past is not None
    assert past.outcome is None


def test_the_budget_is_held_before_and_settled_after() -> None:
    ledger = MemoryLedger()
    gateway = door(ledger, budget=Budget(usd=1.0, calls={"act": 3}))
    witness = Witness(ledger, cost=Cost(usd=0.4))
    statuses = [perform(gateway, intent(number=number), witness).status for number in range(1, 6)]
    assert statuses == ["done", "done", "done", "refused", "refused"]
    assert witness.acts == 3


def test_concurrent_effects_cannot_spend_the_same_budget_twice() -> None:
    ledger = MemoryLedger()
    gateway = door(ledger, budget=Budget(calls={"act": 3}))

    class Slow(Witness):
        async def act(self, intent: Intent) -> Result:
            await asyncio.sleep(0)
            return await super().act(intent)

    witness = Slow(ledger)

    async def scenario() -> list[Outcome]:
        return await asyncio.gather(*(gateway.perform(intent(number=number), witness) for number in range(1, 11)))

    outcomes = asyncio.run(scenario())
    assert witness.acts == 3
    assert sum(outcome.status is Status.REFUSED for outcome in outcomes) == 7


def test_what_failed_releases_its_hold_and_counts_as_a_call() -> None:
    ledger = MemoryLedger()
    gateway = door(ledger, budget=Budget(calls={"act": 2}))
    assert perform(gateway, intent(number=1), Witness(ledger, error=ValueError())).status is Status.FAILED
    assert perform(gateway, intent(number=2), Witness(ledger)).status is Status.DONE
    assert perform(gateway, intent(number=3), Witness(ledger)).status is Status.REFUSED
