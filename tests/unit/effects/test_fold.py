"""Records in, effects out."""

from __future__ import annotations

import pytest

from bailiwick.effects import STATES, EffectClass, Erasure, Outcome, Status, fold
from tests.story import Story


def test_an_effect_knows_where_it_stands_on_the_record() -> None:
    story = Story()
    root = story.begin()
    tool = story.use("measure", value=1.5)
    folded = story.folded()
    assert (folded[tool].seq, folded[tool].outcome_seq) == (2, 3)
    assert (folded[root].seq, folded[root].outcome_seq) == (1, 0)


@pytest.mark.parametrize("status", list(Status))
def test_the_state_of_what_has_ended_is_how_it_ended(status: Status) -> None:
    story = Story()
    story.begin()
    tool = story.use("measure", is_open=True)
    assert story.folded()[tool].state == "open"
    story.end(tool, status=status)
    assert story.folded()[tool].state == status.value
    assert status.value in STATES


@pytest.mark.parametrize(("status", "state"), [(Status.DONE, "undone"), (Status.FAILED, "undo-failed"), (None, "done")])
def test_an_undo_tells_on_what_it_undoes(status: Status | None, state: str) -> None:
    story = Story()
    story.begin()
    tool = story.use("book", kind=EffectClass.COMPENSABLE)
    undo = story.undo(tool, status=status)
    effect = story.folded()[tool]
    assert effect.state == state
    assert state in STATES
    assert effect.undo is not None
    assert effect.undo.intent.id == undo


def test_the_newest_undo_counts() -> None:
    story = Story()
    story.begin()
    tool = story.use("book", kind=EffectClass.COMPENSABLE)
    story.undo(tool, status=Status.FAILED)
    story.undo(tool, nth=2)
    assert story.folded()[tool].state == "undone"


def test_what_was_taken_back_before_another_try_is_not_undone() -> None:
    story = Story()
    story.begin()
    tool = story.use("book", kind=EffectClass.COMPENSABLE, is_open=True)
    story.undo(tool)
    assert story.folded()[tool].state == "open"
    story.again(tool, 2)
    story.end(tool)
    assert story.folded()[tool].state == "done"


def test_every_try_is_kept() -> None:
    story = Story()
    story.begin()
    tool = story.use("fetch", kind=EffectClass.READ, is_open=True)
    assert story.folded()[tool].tries == 1
    story.again(tool, 2, begun=False, failure="no route")
    assert story.folded()[tool].tries == 1
    story.again(tool, 2)
    effect = story.folded()[tool]
    assert effect.tries == 2
    assert [(attempt.number, attempt.begun) for attempt in effect.attempts] == [(2, False), (2, True)]


@pytest.mark.parametrize("kind", list(EffectClass))
def test_only_what_may_not_be_repeated_can_be_in_doubt(kind: EffectClass) -> None:
    story = Story()
    root = story.begin()
    tool = story.use("act", kind=kind, is_open=True)
    assert story.folded()[tool].is_doubtful is (not kind.repeatable)
    assert not story.folded()[root].is_doubtful
    story.end(tool)
    assert not story.folded()[tool].is_doubtful


def test_what_may_be_tried_and_has_not_begun_is_in_no_doubt() -> None:
    story = Story()
    story.begin()
    tool = story.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True)
    story.again(tool, 2, begun=False)
    assert not story.folded()[tool].is_doubtful
    story.again(tool, 2)
    assert story.folded()[tool].is_doubtful


def test_an_erasure_is_noted_on_what_lost_its_payload() -> None:
    story = Story()
    story.begin()
    tool = story.use("measure", value=1.5)
    other = story.use("measure", value=2.5)
    story.records.append(Erasure(seqs=(3,), who="ada"))
    folded = story.folded()
    assert folded[tool].erased == (3,)
    assert folded[other].erased == ()


def test_what_belongs_to_an_intent_elsewhere_is_passed_over() -> None:
    story = Story()
    story.begin()
    tool = story.use("book", kind=EffectClass.COMPENSABLE)
    undo = story.undo(tool)
    rest = fold((seq, record) for seq, record in enumerate(story.records, 1) if seq > 3 or isinstance(record, Outcome))
    assert list(rest) == [undo]
