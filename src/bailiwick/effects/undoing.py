"""What taking effects back would come to, read off the record before anything is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bailiwick.effects.fold import Effect
from bailiwick.effects.records import EffectClass, Kind
from bailiwick.ids import AgentId, EffectId, RunId, agent_of, ask_of, run_of

Folded = Mapping[str, Effect]
"""Effects by id, in the order of their intents; see `fold`."""

_INSIDE = {
    Kind.RUN: "a run: what was done in it is planned itself",
    Kind.ASK: "a message: what was done to answer it is planned itself",
    Kind.SPAWN: "a launch: what the agent did is planned itself",
    Kind.UNDO: "an undo: what it took back can only be done anew",
    Kind.VERSION: "a note of the run about itself: nothing acted",
}


class Stay(NamedTuple):
    """An effect that was chosen and will not be taken back."""

    effect: Effect
    why: str


class Dependence(NamedTuple):
    """An effect that nobody chose, and that had something to go by that a step takes back."""

    effect: Effect
    on: EffectId
    """The step."""


class Plan(NamedTuple):
    """What an undo would do, and what not. Nothing is done yet."""

    steps: tuple[Effect, ...]
    """What will be taken back, in this order: what happened last comes first, so nothing is taken back before what it led to."""
    stays: tuple[Stay, ...]
    """The rest of what was chosen, and why it stays; in the order in which it was asked for."""
    depends: tuple[Dependence, ...]
    """Later effects outside the choice that depend on a step, as far as the record knows; in the order in which they were asked for."""

    @property
    def left_hanging(self) -> tuple[Dependence, ...]:
        """Those of `depends` that changed something which still stands: it would stand on nothing."""
        return tuple(later for later in self.depends if later.effect.intent.effect.leaves_traces)


def plan_undo(effects: Folded, chosen: Collection[str]) -> Plan:
    """What taking back the effects with the ids ``chosen`` would come to.

    The order is that in which they ended, reversed: an effect that had the result of another was asked for after that one ended, so
    no effect comes before one that it caused.
    """
    steps: list[Effect] = []
    stays: list[Stay] = []
    for effect in effects.values():
        if effect.intent.id in chosen:
            why = why_it_stays(effect)
            if why:
                stays.append(Stay(effect, why))
            else:
                steps.append(effect)
    steps.sort(key=lambda effect: effect.outcome_seq, reverse=True)
    return Plan(tuple(steps), tuple(stays), _dependents(effects, {step.intent.id for step in steps}, chosen))


def why_it_stays(effect: Effect) -> str:
    """Why ``effect`` cannot be taken back; empty if it can."""
    intent = effect.intent
    if intent.kind is not Kind.TOOL:
        return _INSIDE[intent.kind]
    if not intent.effect.leaves_traces:
        return "it changed nothing"
    match effect.state:
        case "open":
            return "it is in doubt: settle it first"
        case "refused":
            return "it did not happen"
        case "cancelled" if intent.effect.repeatable:
            return "it was given up: nobody waited for it"
        case "undone":
            return "it is undone already"
        case "failed":
            return "it failed: look at what it left"
        case _:
            pass
    if effect.erased:
        return "its payload was erased: nobody knows what to take back"
    if intent.effect is EffectClass.IRREVERSIBLE:
        return "it is irreversible"
    if intent.effect is not EffectClass.COMPENSABLE:
        return "its tool declares no undo"
    return "" if intent.path else "the record does not say where its undo is"


def those_under(effects: Folded, run: RunId) -> set[EffectId]:
    """The effects of ``run``, of every run that it asked for, and of the agents that it launched by themselves."""
    return _inside(effects, {run}, set())


def those_since(effects: Folded, at_ns: int) -> set[EffectId]:
    """The effects that were asked for at ``at_ns`` (nanoseconds since 1970) or later."""
    return {effect.intent.id for effect in effects.values() if effect.intent.at_ns >= at_ns}


def with_what_is_inside(effects: Folded, ids: Collection[EffectId]) -> set[EffectId]:
    """``ids``; and for each that is a message or a run, what was done in it; for a launch, all that the agent did."""
    kinds = {effect: effects[effect].intent.kind for effect in ids}
    runs = {run_of(effect) for effect, kind in kinds.items() if kind in (Kind.ASK, Kind.RUN)}
    return {*ids} | _inside(effects, runs, {agent_of(effect) for effect, kind in kinds.items() if kind is Kind.SPAWN})


def _inside(effects: Folded, runs: set[RunId], agents: set[AgentId]) -> set[EffectId]:
    """The effects of ``runs`` and ``agents``, and whatever those led to."""
    launched: set[AgentId] = set()
    found: set[EffectId] = set()
    for effect in effects.values():
        intent = effect.intent
        by_itself = intent.agent in launched and ask_of(intent.run) not in effects
        if intent.run in runs or intent.agent in agents or by_itself:
            found.add(intent.id)
            if intent.kind is Kind.ASK:
                runs.add(run_of(intent.id))
            elif intent.kind is Kind.SPAWN:
                launched.add(agent_of(intent.id))
    return found


def _dependents(effects: Folded, steps: Collection[EffectId], chosen: Collection[str]) -> tuple[Dependence, ...]:
    """Followed from results into arguments, from a message into what it had its agent do, and from there into the answer."""
    carried: dict[str, EffectId] = {}
    """Whose results may hold something of a step: of which."""
    led_to: dict[str, EffectId] = {}
    """Whose arguments may."""
    found: list[Dependence] = []
    for effect in effects.values():
        intent = effect.intent
        on = next((carried[cause] for cause in intent.caused_by if cause in carried), led_to.get(ask_of(intent.run)))
        if on is not None and intent.kind is not Kind.UNDO and intent.id != on:
            led_to[intent.id] = on
            if intent.id not in chosen and effect.state not in ("refused", "undone"):
                found.append(Dependence(effect, on))
        source = intent.id if intent.id in steps else led_to.get(intent.id)
        carrier: str = intent.id
        while source is not None and carrier not in carried:
            carried[carrier] = source
            above = effects.get(ask_of(effects[carrier].intent.run))
            carrier = above.intent.id if above is not None else carrier
    return tuple(found)
