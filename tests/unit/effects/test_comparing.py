"""Where two runs part."""

from __future__ import annotations

from collections.abc import Callable

from bailiwick.effects import Causality, Difference, EffectClass, Fidelity, Parting, Status, compare, fold
from bailiwick.ids import EffectId, agent_of, nested_run_id
from tests.story import Story


def a_run(number: int, more: Callable[[Story, EffectId], None] | None = None, *, value: float = 2.5, sample: str = "CCO") -> Story:
    story = Story(number)
    root = story.begin()
    launch = story.launch("Lab", "lab")
    ask = story.ask("Lab.weigh", to=launch, sample=sample)
    story.use("measure", ask, value=value, sample=sample, lab=agent_of(launch))
    story.end(ask, value)
    if more is not None:
        more(story, ask)
    story.end(root)
    return story


def parted(first: Story, second: Story) -> list[Difference]:
    folded = fold(enumerate([*first.records, *second.records], 1))
    return list(compare(Causality(folded), folded[first.root], folded[second.root]))


def brief(differences: list[Difference]) -> list[tuple[str, tuple[str, ...]]]:
    return [(difference.parting.value, difference.place) for difference in differences]


def test_runs_that_did_the_same_do_not_differ() -> None:
    """Though every id in them does, also those that were given as arguments."""
    assert parted(a_run(0), a_run(1)) == []


def test_a_run_does_not_differ_from_itself() -> None:
    story = a_run(0)
    folded = story.folded()
    assert list(compare(Causality(folded), folded[story.root], folded[story.root])) == []


def test_the_first_difference_comes_first() -> None:
    found = parted(a_run(0), a_run(1, value=7.5))
    assert brief(found) == [("outcome", ("2",)), ("outcome", ("2", "1"))]


def test_another_question_is_told_from_another_outcome() -> None:
    found = parted(a_run(0), a_run(1, sample="CC"))
    assert brief(found) == [("question", ("2",)), ("question", ("2", "1"))]


def test_another_tool_at_the_same_place_is_another_question() -> None:
    def fetch(story: Story, _: EffectId) -> None:
        story.use("fetch")

    def drop(story: Story, _: EffectId) -> None:
        story.use("drop")

    [found] = parted(a_run(0, fetch), a_run(1, drop))
    assert (found.parting, found.place) == (Parting.QUESTION, ("3",))
    assert found.first is not None
    assert found.second is not None
    assert (found.first.intent.tool, found.second.intent.tool) == ("fetch", "drop")


def test_what_only_one_run_asked_is_found_on_either_side() -> None:
    def more(story: Story, ask: EffectId) -> None:
        story.use("fetch", ask)

    assert brief(parted(a_run(0, more), a_run(1))) == [("only first", ("2", "2"))]
    assert brief(parted(a_run(0), a_run(1, more))) == [("only second", ("2", "2"))]


def test_what_an_agent_did_by_itself_is_aligned_too() -> None:
    def ticks(count: int) -> Callable[[Story, EffectId], None]:
        def tick(story: Story, _: EffectId) -> None:
            agent = agent_of(next(key for key, effect in story.folded().items() if effect.intent.tool == "Lab"))
            for number in range(count):
                story.use("look", run=nested_run_id(agent, f"watch/{number}"), by=agent, number=number)

        return tick

    assert parted(a_run(0, ticks(2)), a_run(1, ticks(2))) == []
    assert brief(parted(a_run(0, ticks(2)), a_run(1, ticks(3)))) == [("only second", ("1", "2:1"))]


def test_an_open_effect_differs_from_one_that_ended_and_fidelity_counts() -> None:
    def left_open(story: Story, _: EffectId) -> None:
        story.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True)

    def guessed(story: Story, _: EffectId) -> None:
        story.use("pay", kind=EffectClass.IRREVERSIBLE, fidelity=Fidelity.SIMULATED)

    def exact(story: Story, _: EffectId) -> None:
        story.use("pay", kind=EffectClass.IRREVERSIBLE)

    def failed(story: Story, _: EffectId) -> None:
        story.end(story.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True), "no money", status=Status.FAILED)

    kinds = [left_open, guessed, exact, failed]
    for one in kinds:
        for other in kinds:
            assert brief(parted(a_run(0, one), a_run(1, other))) == ([] if one is other else [("outcome", ("3",))])
