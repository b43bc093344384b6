"""Who caused what."""

from __future__ import annotations

from typing import NamedTuple

from bailiwick.effects import FREE, Causality, Cost, Effect, Fidelity, is_model_call, opens
from bailiwick.ids import EffectId, agent_of, nested_run_id, run_of
from tests.story import Story


class Lab(NamedTuple):
    """One run: a model is asked, the answer goes to an agent, whose work goes into a report."""

    story: Story
    root: EffectId
    lab: EffectId
    chat: EffectId
    ask: EffectId
    fetch: EffectId
    measure: EffectId
    report: EffectId

    @property
    def web(self) -> Causality:
        return Causality(self.story.folded())

    def effect(self, effect: EffectId) -> Effect:
        return self.story.folded()[effect]


def lab() -> Lab:
    story = Story()
    root = story.begin()
    launch = story.launch("Lab", "lab")
    chat = story.use("chat", value="CCO", cost=Cost(tokens=120))
    ask = story.ask("Lab.weigh", to=launch, of=[chat], sample="CCO")
    fetch = story.use("fetch", ask, value="CCO", sample="CCO", cost=Cost(cpu_s=1.0))
    measure = story.use("measure", ask, value=2.5, of=[fetch], fidelity=Fidelity.APPROXIMATE, cost=Cost(cpu_s=2.0))
    story.end(ask, 2.5)
    report = story.use("report", value="fine", of=[ask])
    story.end(root)
    return Lab(story, root, launch, chat, ask, fetch, measure, report)


def ids(effects: list[Effect]) -> list[str]:
    return [effect.intent.id for effect in effects]


def test_the_line_leads_from_the_root_to_the_effect() -> None:
    told = lab()
    assert ids(told.web.line(told.effect(told.measure))) == [told.root, told.ask, told.measure]
    assert ids(told.web.line(told.effect(told.root))) == [told.root]


def test_everybody_acts_on_behalf_of_the_principal() -> None:
    told = lab()
    assert {told.web.principal(effect) for effect in told.story.folded().values()} == {"ada@analytical"}


def test_what_an_ask_opened_is_inside_it() -> None:
    told = lab()
    assert ids(told.web.opened(told.effect(told.ask))) == [told.fetch, told.measure]
    assert ids(told.web.opened(told.effect(told.root))) == [told.lab, told.chat, told.ask, told.report]
    assert told.web.opened(told.effect(told.fetch)) == []


def test_what_an_agent_does_by_itself_is_inside_its_launch() -> None:
    told = lab()
    agent = agent_of(told.lab)
    tick = told.story.use("look", run=nested_run_id(agent, "watch/0"), by=agent)
    assert ids(told.web.line(told.effect(tick))) == [told.root, told.lab, tick]


def test_causes_and_consequences_are_two_ends_of_one_relation() -> None:
    told = lab()
    assert ids(told.web.causes(told.effect(told.measure))) == [told.fetch]
    assert ids(told.web.consequences(told.effect(told.fetch))) == [told.measure]
    assert told.web.consequences(told.effect(told.report)) == []


def test_sources_reach_through_asks_in_both_directions() -> None:
    """The report had the answer of an ask, which was made of what was done inside; and that began with what the ask was given."""
    told = lab()
    assert {kin.effect.intent.id: kin.depth for kin in told.web.sources(told.effect(told.report))} == {
        told.ask: 1,
        told.chat: 2,
        told.fetch: 2,
        told.measure: 2,
    }
    assert {kin.effect.intent.id for kin in told.web.sources(told.effect(told.measure))} == {told.fetch, told.chat}


def test_a_depth_ends_the_walk() -> None:
    told = lab()
    assert [kin.depth for kin in told.web.sources(told.effect(told.report), 1)] == [1]
    assert list(told.web.sources(told.effect(told.report), 0)) == []
    assert {kin.effect.intent.id for kin in told.web.ancestors(told.effect(told.measure), 1)} == {told.fetch, told.ask}


def test_ancestors_and_descendants_are_each_met_once() -> None:
    told = lab()
    above = [kin.effect.intent.id for kin in told.web.ancestors(told.effect(told.report))]
    assert sorted(above) == sorted({told.ask, told.chat, told.root})
    below = [kin.effect.intent.id for kin in told.web.descendants(told.effect(told.chat))]
    assert sorted(below) == sorted({told.ask, told.fetch, told.measure, told.report})
    assert len([*told.web.descendants(told.effect(told.root))]) == len(told.story.folded()) - 1


def test_the_worst_fidelity_of_what_went_in_is_found() -> None:
    told = lab()
    weakest = told.web.weakest(told.effect(told.report))
    assert weakest is not None
    assert weakest.intent.id == told.measure
    assert told.web.weakest(told.effect(told.fetch)) is None


def test_the_cost_of_a_run_is_that_of_everything_inside() -> None:
    told = lab()
    assert told.web.cost(told.effect(told.ask)) == Cost(cpu_s=3.0)
    assert told.web.cost(told.effect(told.root)) == Cost(cpu_s=3.0, tokens=120)
    assert told.web.cost(told.effect(told.report)) == FREE


def test_a_tree_is_an_outline_in_the_order_of_the_record() -> None:
    told = lab()
    outline = [(kin.depth, kin.effect.intent.tool) for kin in told.web.tree(told.effect(told.root))]
    assert outline == [
        (0, "run:/lab/lab.py"),
        (1, "Lab"),
        (1, "chat"),
        (1, "Lab.weigh"),
        (2, "fetch"),
        (2, "measure"),
        (1, "report"),
    ]
    assert [kin.effect.intent.tool for kin in told.web.tree(told.effect(told.root), 0)] == ["run:/lab/lab.py"]


def test_a_model_call_is_known_by_its_tokens() -> None:
    told = lab()
    assert [effect.intent.id for effect in told.story.folded().values() if is_model_call(effect)] == [told.chat]


def test_what_begins_with_an_effect_has_its_digits() -> None:
    told = lab()
    assert opens(told.effect(told.ask)) == run_of(told.ask)
    assert opens(told.effect(told.lab)) == agent_of(told.lab)
    assert opens(told.effect(told.fetch)) == ""


def test_a_deep_line_of_asks_is_no_trouble() -> None:
    story = Story()
    story.begin()
    ask = None
    for _ in range(3_000):
        ask = story.ask("Lab.deeper", ask)
    web = Causality(story.folded())
    assert ask is not None
    assert len(web.line(story.folded()[ask])) == 3_001
    assert sum(1 for _ in web.tree(story.folded()[story.root])) == 3_001
