"""An undo is an effect: recorded before and after, tried again, refused by a charter, done once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from bailiwick import codec
from bailiwick.charter import Charter, Rule, compile_charter
from bailiwick.effects import Actuator, Attempt, Conduct, EffectClass, Intent, Kind, Outcome, Result, Status
from bailiwick.errors import Conflict
from bailiwick.gateway import Authority, Gateway, Undoing, undo_of
from bailiwick.grants import Budget, Purse
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger import Ledger
from bailiwick.testing import Crash, FaultPlan, FaultyLedger, VirtualClock, run
from tests.worlds import KeptLedger, records

EFFECT = Intent(
    id=EffectId("eff_019b00000000" + "5a" * 10),
    run=RunId("run_019b00000000" + "c3" * 10),
    agent=AgentId("agt_019b00000000" + "01" * 10),
    position="7",
    kind=Kind.TOOL,
    tool="take",
    effect=EffectClass.COMPENSABLE,
    arguments=codec.encode({"name": "a"}),
    path="somewhere:take",
)
OUTCOME = Outcome(id=EFFECT.id, status=Status.DONE, value=codec.encode("A"))


class Taken(Actuator):
    """Something that was taken, and can be given back after ``failures`` failures."""

    def __init__(self, failures: int = 0, error: type[Exception] = OSError) -> None:
        self.conduct = replace(Conduct(), has_undo=True)
        self.undone: list[Outcome | None] = []
        self.tries = 0
        self._failures = failures
        self._error = error

    async def act(self, intent: Intent) -> Result:
        raise AssertionError("only the undo may act")

    async def undo(self, intent: Intent, outcome: Outcome | None) -> Result:
        assert intent is EFFECT
        self.tries += 1
        if self.tries <= self._failures:
            raise self._error(f"failure {self.tries}")
        self.undone.append(outcome)
        return Result(value=codec.encode(None))


def asked(*, nth: int = 1, blind: bool = False, run: str = "run_019c00000000" + "00" * 10) -> Intent:
    return undo_of(EFFECT, run=RunId(run), agent=AgentId("agt_1"), at_ns=1, nth=nth, blind=blind)


def perform(ledger: Ledger, taken: Taken, intent: Intent | None = None, charter: Charter = Charter()) -> Outcome:
    async def whole() -> Outcome:
        gateway = Gateway(ledger, Authority(compile_charter(charter), Purse(Budget())), VirtualClock())
        return await gateway.perform(intent or asked(), Undoing(taken, EFFECT, OUTCOME))

    return run(whole())


def test_whoever_asks_for_the_undo_of_an_effect_asks_for_the_same_one() -> None:
    assert asked().id == asked(run="run_019d00000000" + "00" * 10).id
    assert len({asked().id, asked(nth=2).id, asked(blind=True).id, EFFECT.id}) == 4
    intent = asked()
    assert (intent.kind, intent.undoes, intent.caused_by, intent.path) == (Kind.UNDO, EFFECT.id, (EFFECT.id,), EFFECT.path)
    assert intent.waits_for_disk


def test_it_is_done_once_however_often_it_is_asked_for() -> None:
    ledger, taken = KeptLedger(), Taken()
    first = perform(ledger, taken)
    assert perform(ledger, taken, asked(run="run_019d00000000" + "00" * 10)) == first
    assert taken.undone == [OUTCOME]
    assert [type(record) for record in records(ledger)] == [Intent, Outcome]


def test_an_undo_that_fails_is_tried_again_and_every_try_is_on_record() -> None:
    ledger, taken = KeptLedger(), Taken(failures=2)
    assert perform(ledger, taken).status is Status.DONE
    attempts = [record for record in records(ledger) if isinstance(record, Attempt)]
    assert [(attempt.number, attempt.begun) for attempt in attempts] == [(2, False), (2, True), (3, False), (3, True)]
    assert attempts[2].at_ns - attempts[0].at_ns >= 500_000_000


def test_after_three_tries_it_has_failed_and_another_undo_may_be_asked_for() -> None:
    ledger, taken = KeptLedger(), Taken(failures=3)
    outcome = perform(ledger, taken)
    assert outcome.status is Status.FAILED
    assert outcome.failure is not None
    assert outcome.failure.message == "failure 3"
    assert perform(ledger, taken) == outcome
    assert perform(ledger, taken, asked(nth=2)).status is Status.DONE
    assert taken.tries == 4


def test_a_conflict_is_not_tried_again() -> None:
    taken = Taken(failures=1, error=Conflict)
    outcome = perform(KeptLedger(), taken)
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.code, taken.tries) == (Status.FAILED, "conflict", 1)


def test_a_charter_can_deny_it_by_name() -> None:
    taken = Taken()
    outcome = perform(KeptLedger(), taken, charter=Charter(deny=(Rule(tool="undo take"),)))
    assert outcome.status is Status.REFUSED
    assert taken.tries == 0


@pytest.mark.parametrize("failures", [0, 1])
@pytest.mark.parametrize("plan", FaultPlan.around_every_append(4), ids=str)
def test_a_crash_around_every_append_leaves_one_undo_that_is_finished_when_it_is_asked_for_again(plan: FaultPlan, failures: int) -> None:
    ledger, taken = KeptLedger(), Taken(failures=failures)
    with suppress(Crash):
        perform(FaultyLedger(ledger, plan), taken)
    acted = len(taken.undone)
    assert perform(ledger, taken).status is Status.DONE
    outcomes = [record for record in records(ledger) if isinstance(record, Outcome)]
    assert len(outcomes) == 1
    assert acted <= len(taken.undone) <= acted + 1
    assert taken.undone
