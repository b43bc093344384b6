"""Taking effects back from a script: in order, once, and again where it failed."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick import compensable, tool
from bailiwick.agents import Undone
from bailiwick.bailiff import Bailiwick, Main
from bailiwick.effects import Intent, Kind, Status, fold
from bailiwick.errors import CompensationFailed, Conflict, NotFound, Refused
from bailiwick.ids import EffectId
from bailiwick.ledger import Ledger
from bailiwick.testing import Crash, FaultPlan, FaultyLedger, run
from tests.worlds import KeptLedger, bare_world, copy_of, intents, records

log: list[str] = []
broken: dict[str, Exception] = {}


def release(name: str, result: str | None) -> None:
    log.append(f"{name} {result}")
    if name in broken:
        raise broken[name]


@tool(effect=compensable(undo=release))
async def take(name: str) -> str:
    return name.upper()


@tool(effect="idempotent")
async def put(name: str) -> str:
    return name


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    log.clear()
    broken.clear()


async def take_three(bw: Bailiwick) -> None:
    for name in "abc":
        await bw.use(take, name)
    await bw.use(put, "d")


def taken() -> KeptLedger:
    """A record on which three things were taken."""
    ledger = KeptLedger()

    async def whole() -> None:
        async with bare_world(ledger) as bw:
            await bw.run(take_three)

    run(whole())
    return ledger


def undo(ledger: Ledger, effects: list[EffectId], *, keep_going: bool = False) -> list[Undone]:
    async def whole() -> list[Undone]:
        async with bare_world(ledger) as bw:
            return await bw.undo([(take, effect) for effect in effects], keep_going=keep_going)

    return run(whole())


def last_first(ledger: Ledger) -> list[EffectId]:
    return [effect.id for effect in reversed(intents(ledger, "take"))]


def test_effects_are_taken_back_in_the_order_given_in_a_run_of_its_own() -> None:
    ledger = taken()
    order = last_first(ledger)
    assert undo(ledger, order) == [Undone(effect, "take", "undone") for effect in order]
    assert log == ["c C", "b B", "a A"]
    (root,) = intents(ledger, "undo")
    assert {undo.run for undo in intents(ledger, "undo take")} == {root.run}
    effects = fold(enumerate(records(ledger), 1))
    assert [effects[effect].state for effect in order] == ["undone"] * 3


def test_what_is_undone_already_is_not_undone_again() -> None:
    ledger = taken()
    order = last_first(ledger)
    undo(ledger, order[:1])
    assert [found.state for found in undo(ledger, order)] == ["already undone", "undone", "undone"]
    assert log == ["c C", "b B", "a A"]


@pytest.mark.parametrize("keep_going", [False, True])
def test_the_first_that_fails_for_good_stops_the_others_unless_told_otherwise(keep_going: bool, caplog: pytest.LogCaptureFixture) -> None:
    ledger = taken()
    order = last_first(ledger)
    broken["b"] = OSError("no way")
    found = undo(ledger, order, keep_going=keep_going)
    assert [(one.state, one.stands) for one in found] == [
        ("undone", False),
        ("failed", True),
        ("undone", False) if keep_going else ("not tried", True),
    ]
    assert found[1].why == "no way"
    assert log == ["c C", *["b B"] * 3, *(["a A"] if keep_going else [])]
    assert "take could not be taken back, and stands: no way" in caplog.text
    assert fold(enumerate(records(ledger), 1))[order[1]].state == "undo-failed"


def test_what_failed_can_be_tried_again_later() -> None:
    ledger = taken()
    order = last_first(ledger)
    broken["c"] = OSError("no way")
    undo(ledger, order)
    broken.clear()
    log.clear()
    assert [found.state for found in undo(ledger, order)] == ["undone"] * 3
    assert log == ["c C", "b B", "a A"]
    assert fold(enumerate(records(ledger), 1))[order[0]].state == "undone"


def test_a_conflict_is_told_from_a_failure() -> None:
    ledger = taken()
    broken["c"] = Conflict("edited since")
    assert undo(ledger, last_first(ledger)[:1]) == [Undone(last_first(ledger)[0], "take", "conflict", "edited since")]
    assert log == ["c C"]


def test_what_cannot_be_taken_back_is_refused() -> None:
    ledger = taken()
    (unfit,) = intents(ledger, "put")
    with pytest.raises(Refused, match="its tool declares no undo"):
        undo(ledger, [unfit.id])
    with pytest.raises(NotFound):
        undo(ledger, [EffectId("eff_019b00000000" + "5a" * 10)])


APPENDS = 9
"""Of an undo of three effects: that of the run and of each effect, and one more each for what came of it; and one to spare."""


@pytest.mark.parametrize("plan", FaultPlan.around_every_append(APPENDS), ids=str)
def test_after_a_crash_around_any_append_the_same_command_finishes(plan: FaultPlan) -> None:
    ledger = taken()
    order = last_first(ledger)
    crashed = False
    try:
        undo(FaultyLedger(ledger, plan), order)
    except Crash:
        crashed = True
    assert crashed == (plan.crash_before_append < APPENDS and plan.crash_after_append < APPENDS)
    before = list(log)
    assert all(not found.stands for found in undo(ledger, order))
    assert [*dict.fromkeys(log)] == ["c C", "b B", "a A"]
    assert len(log) <= len({*log}) + 1, f"{before} before, {log} in all: no more than the one that was cut off is done again"
    effects = fold(enumerate(records(ledger), 1))
    assert [effects[effect].state for effect in order] == ["undone"] * 3
    assert len(intents(ledger, "undo take")) == 3
    states = [effect.state for effect in effects.values() if effect.intent.kind is Kind.RUN and effect.intent.tool == "undo"]
    assert set(states) <= {"done", Status.CANCELLED.value}
    assert isinstance(records(ledger)[0], Intent)


def resume(ledger: Ledger, main: Main) -> Any:
    async def whole() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.resume(main)

    return run(whole())


def cut(ledger: KeptLedger) -> KeptLedger:
    """What a crash leaves just before the run ends."""
    return copy_of(ledger, first=len(records(ledger)) - 1)


def test_a_run_whose_effects_were_taken_back_is_not_gone_on_with() -> None:
    ledger = cut(taken())
    resume(copy_of(ledger, first=len(records(ledger))), take_three)  # Before, it is.
    first = last_first(ledger)[0]
    undo(ledger, [first])
    with pytest.raises(Refused, match=f"cannot be gone on with: `take` {first}, by which it goes, was taken back. Start it anew"):
        resume(ledger, take_three)


def test_a_run_that_has_ended_still_says_how_after_it_was_taken_back() -> None:
    ledger = taken()
    undo(ledger, last_first(ledger))
    assert resume(ledger, take_three) is None


async def leave_it_to_others(bw: Bailiwick) -> list[str]:
    try:
        async with bw.saga() as saga:
            await saga.use(take, "a")
            raise KeyError
    except CompensationFailed as error:
        return error.facts["stands"]


def test_a_run_that_left_an_undo_to_others_goes_on_once_they_did_it() -> None:
    ledger = KeptLedger()
    broken["a"] = OSError("no way")

    async def whole() -> list[str]:
        async with bare_world(ledger) as bw:
            return await bw.run(leave_it_to_others)

    stands = run(whole())
    ledger = cut(ledger)
    broken.clear()
    assert [found.state for found in undo(ledger, last_first(ledger))] == ["undone"]
    assert resume(ledger, leave_it_to_others) == stands == last_first(ledger)
