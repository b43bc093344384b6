"""What an undo would come to, read off the record."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.effects import (
    Effect,
    EffectClass,
    Erasure,
    Failure,
    Intent,
    Kind,
    Outcome,
    Plan,
    Record,
    Status,
    fold,
    plan_undo,
    those_since,
    those_under,
    why_it_stays,
    with_what_is_inside,
)
from bailiwick.ids import AgentId, EffectId, RunId, agent_of, nested_run_id, run_of

ROOT = RunId("run_019b00000000" + "00" * 10)
ME = AgentId("agt_019b00000000" + "00" * 10)
FAILURE = Failure(code="failed", type="builtins:OSError", message="no")


def effect_id(number: int) -> EffectId:
    return EffectId(f"eff_019b00000000{number:020x}")


def intent(number: int, kind: Kind = Kind.TOOL, effect: EffectClass = EffectClass.COMPENSABLE, run: RunId = ROOT, **more: Any) -> Intent:
    given = {"agent": ME, "position": str(number), "tool": f"tool{number}", "path": "here:tool", "at_ns": number, **more}
    return Intent(id=effect_id(number), run=run, kind=kind, effect=effect, **given)


def outcome(number: int, status: Status = Status.DONE) -> Outcome:
    return Outcome(id=effect_id(number), status=status, failure=FAILURE if status in (Status.FAILED, Status.REFUSED) else None)


def folded(*entries: Record) -> dict[str, Effect]:
    return fold(enumerate(entries, 1))


def done(*intents: Intent) -> list[Record]:
    """One after the other."""
    return [record for asked in intents for record in (asked, Outcome(id=asked.id, status=Status.DONE))]


def numbers(ids: Any) -> list[int]:
    return [int(str(one)[16:], 16) for one in ids]


def steps(plan: Plan) -> list[int]:
    return numbers(step.intent.id for step in plan.steps)


def test_what_ended_last_goes_first_also_where_effects_overlap() -> None:
    effects = folded(intent(1), intent(2), outcome(2), outcome(1), *done(intent(3)))
    assert steps(plan_undo(effects, set(effects))) == [3, 1, 2]


def test_only_what_was_chosen_is_taken_back() -> None:
    effects = folded(*done(intent(1), intent(2), intent(3)))
    plan = plan_undo(effects, {effect_id(2)})
    assert (steps(plan), plan.stays, plan.depends) == ([2], (), ())


UNDO_OF_1 = intent(2, Kind.UNDO, EffectClass.IDEMPOTENT, undoes=effect_id(1))


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (done(intent(1)), ""),
        (done(intent(1, effect=EffectClass.PURE)), "it changed nothing"),
        (done(intent(1, effect=EffectClass.READ)), "it changed nothing"),
        (done(intent(1, effect=EffectClass.IDEMPOTENT)), "its tool declares no undo"),
        (done(intent(1, effect=EffectClass.IRREVERSIBLE)), "it is irreversible"),
        (done(intent(1, path="")), "the record does not say where its undo is"),
        ([intent(1)], "it is in doubt: settle it first"),
        ([intent(1), outcome(1, Status.FAILED)], "it failed: look at what it left"),
        ([intent(1), outcome(1, Status.REFUSED)], "it did not happen"),
        ([intent(1, effect=EffectClass.IDEMPOTENT), outcome(1, Status.CANCELLED)], "it was given up: nobody waited for it"),
        ([intent(1), outcome(1, Status.CANCELLED)], ""),
        (done(intent(1), UNDO_OF_1), "it is undone already"),
        ([*done(intent(1)), UNDO_OF_1], ""),
        ([*done(intent(1)), UNDO_OF_1, outcome(2, Status.FAILED)], ""),
        ([*done(intent(1)), Erasure(seqs=(1,))], "its payload was erased: nobody knows what to take back"),
        ([*done(intent(1)), Erasure(seqs=(2,))], "its payload was erased: nobody knows what to take back"),
        (done(intent(1, Kind.ASK)), "a message: what was done to answer it is planned itself"),
        (done(intent(1, Kind.SPAWN)), "a launch: what the agent did is planned itself"),
        (done(intent(1, Kind.RUN)), "a run: what was done in it is planned itself"),
        (done(intent(1, Kind.VERSION)), "a note of the run about itself: nothing acted"),
        (done(intent(1, Kind.UNDO)), "an undo: what it took back can only be done anew"),
    ],
)
def test_what_stays_says_why(entries: list[Record], why: str) -> None:
    effects = folded(*entries)
    assert why_it_stays(effects[effect_id(1)]) == why
    plan = plan_undo(effects, {effect_id(1)})
    assert [stay.why for stay in plan.stays] == ([why] if why else [])
    assert steps(plan) == ([] if why else [1])


def test_later_effects_that_had_something_of_it_to_go_by_are_named_at_any_distance() -> None:
    look = intent(2, effect=EffectClass.READ, caused_by=(effect_id(1),))
    effects = folded(*done(intent(1), look, intent(3, caused_by=(effect_id(2),)), intent(4)))
    plan = plan_undo(effects, {effect_id(1)})
    assert [(numbers([later.effect.intent.id]), numbers([later.on])) for later in plan.depends] == [([2], [1]), ([3], [1])]
    assert numbers(later.effect.intent.id for later in plan.left_hanging) == [3]
    assert plan_undo(effects, {effect_id(1), effect_id(3)}).left_hanging == ()


def test_dependence_goes_into_a_message_and_comes_out_with_its_answer() -> None:
    ask = intent(2, Kind.ASK, EffectClass.IDEMPOTENT, caused_by=(effect_id(1),))
    inside, unrelated = intent(3, run=run_of(ask.id)), intent(5)
    effects = folded(*done(intent(1)), ask, *done(inside), outcome(2), *done(intent(4, caused_by=(ask.id,)), unrelated))
    assert numbers(later.effect.intent.id for later in plan_undo(effects, {effect_id(1)}).depends) == [2, 3, 4]
    assert numbers(later.effect.intent.id for later in plan_undo(effects, {inside.id}).depends) == [4]


def test_what_was_refused_or_undone_already_depends_on_nothing() -> None:
    refused, undone = intent(3, caused_by=(effect_id(1),)), intent(4, caused_by=(effect_id(1),))
    undo = intent(5, Kind.UNDO, EffectClass.IDEMPOTENT, undoes=undone.id, caused_by=(undone.id,))
    effects = folded(*done(intent(1)), refused, outcome(3, Status.REFUSED), *done(undone, undo))
    assert plan_undo(effects, {effect_id(1)}).depends == ()


def test_under_a_run_stands_what_it_asked_for_and_what_its_agents_do_by_themselves() -> None:
    spawn, ask = intent(2, Kind.SPAWN), intent(3, Kind.ASK)
    answer = intent(4, run=run_of(ask.id), agent=agent_of(spawn.id))
    tick = intent(5, run=nested_run_id(agent_of(spawn.id), "tick"), agent=agent_of(spawn.id))
    other_root = RunId("run_019c00000000" + "00" * 10)
    foreign_ask = intent(6, Kind.ASK, run=other_root)
    foreign = intent(7, run=run_of(foreign_ask.id), agent=agent_of(spawn.id))
    effects = folded(*done(intent(1), spawn, ask, answer, tick, foreign_ask, foreign))
    assert numbers(sorted(those_under(effects, ROOT))) == [1, 2, 3, 4, 5]
    assert numbers(sorted(those_under(effects, other_root))) == [6, 7]
    assert numbers(sorted(with_what_is_inside(effects, [ask.id]))) == [3, 4]
    assert numbers(sorted(with_what_is_inside(effects, [spawn.id]))) == [2, 4, 5, 7]
    assert numbers(sorted(with_what_is_inside(effects, [effect_id(1)]))) == [1]


def test_since_a_moment_counts_from_when_it_was_asked_for() -> None:
    effects = folded(*done(intent(1), intent(2), intent(3)))
    assert numbers(sorted(those_since(effects, 2))) == [2, 3]
