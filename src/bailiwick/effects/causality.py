"""Who caused what: folded effects, joined into the web of causes that each of them stands in.

Three relations are on record. The *opener* of an effect is the run, the ask or the launch inside which it was asked for; following
openers leads to the root, and from there to the principal. Its *causes* are the effects whose results went into its arguments, as far
as the runtime saw it. What it *opened* are the effects that were asked for inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from bailiwick.effects.fold import Effect
from bailiwick.effects.records import FREE, Cost, Fidelity, Kind
from bailiwick.ids import agent_of, ask_of, run_of

FALLING = (Fidelity.EXACT, Fidelity.RECOMPUTED, Fidelity.CACHED, Fidelity.APPROXIMATE, Fidelity.SIMULATED)
"""Fidelities, the best first."""


class Kin(NamedTuple):
    """One effect on a walk through the web of causes."""

    effect: Effect
    depth: int
    """How many relations away from where the walk began."""


class Causality:
    """The web of causes among the effects of one `fold`. Made in one pass; each question costs what it returns."""

    def __init__(self, effects: Mapping[str, Effect]) -> None:
        self._effects = effects
        self._opened: dict[str, list[Effect]] = {}
        self._fed: dict[str, list[Effect]] = {}
        self._opener: dict[str, str] = {}
        for effect in effects.values():
            opener = self._find_opener(effect)
            if opener is not None:
                self._opener[effect.intent.id] = opener
                self._opened.setdefault(opener, []).append(effect)
            for cause in effect.intent.caused_by:
                self._fed.setdefault(cause, []).append(effect)

    def __getitem__(self, effect: str) -> Effect:
        return self._effects[effect]

    def opener(self, effect: Effect) -> Effect | None:
        """What it was asked for inside of: a run, an ask, or the launch of an agent that acted by itself. None for a root."""
        opener = self._opener.get(effect.intent.id)
        return None if opener is None else self._effects[opener]

    def opened(self, effect: Effect) -> list[Effect]:
        """What was asked for inside of it, in the order of the record."""
        return self._opened.get(effect.intent.id, [])

    def causes(self, effect: Effect) -> list[Effect]:
        """The effects whose results went into its arguments, as far as the runtime saw it."""
        return [self._effects[cause] for cause in effect.intent.caused_by if cause in self._effects]

    def consequences(self, effect: Effect) -> list[Effect]:
        """The effects into whose arguments its result went, as far as the runtime saw it."""
        return self._fed.get(effect.intent.id, [])

    def line(self, effect: Effect) -> list[Effect]:
        """From the root down to ``effect``: each was asked for inside the one before it."""
        found = [effect]
        while (above := self.opener(found[-1])) is not None:
            found.append(above)
        return found[::-1]

    def principal(self, effect: Effect) -> str:
        """The person or program that answers for it; empty where the record does not say."""
        return self.line(effect)[0].intent.principal

    def ancestors(self, effect: Effect, depth: int | None = None) -> Iterator[Kin]:
        """Every effect that it came of, the nearest first and each once: openers and causes, and theirs; at most ``depth`` away."""
        return _walk(effect, self._parents, depth)

    def descendants(self, effect: Effect, depth: int | None = None) -> Iterator[Kin]:
        """Every effect that came of it, the nearest first and each once: what it opened and what its result went into, and theirs."""
        return _walk(effect, lambda found: (*self.opened(found), *self.consequences(found)), depth)

    def sources(self, effect: Effect, depth: int | None = None) -> Iterator[Kin]:
        """Every effect whose result went into ``effect``, directly or through others, the nearest first and each once.

        What was given to its openers counts, because it came in with their arguments; and so does what was done inside an ask whose
        answer went in, because the answer was made of it. What was done beside it does not.
        """
        above = self.line(effect)[:-1]
        given = [cause for opener in reversed(above) for cause in self.causes(opener)]
        return _walk(effect, self._made_of, depth, first=[*self.causes(effect), *given])

    def weakest(self, effect: Effect) -> Effect | None:
        """Of ``effect`` and its `sources` the one with the worst fidelity, the nearest of them; None if all are exact."""
        worst, found = 0, None
        for source in (effect, *(kin.effect for kin in self.sources(effect))):
            rank = FALLING.index(source.outcome.fidelity) if source.outcome is not None else 0
            if rank > worst:
                worst, found = rank, source
        return found

    def tree(self, effect: Effect, depth: int | None = None) -> Iterator[Kin]:
        """``effect`` and all that was asked for inside of it, as an outline: each before what it opened, in the order of the record."""
        unread = [Kin(effect, 0)]
        while unread:
            kin = unread.pop()
            yield kin
            if depth is None or kin.depth < depth:
                unread += [Kin(inside, kin.depth + 1) for inside in reversed(self.opened(kin.effect))]

    def cost(self, effect: Effect) -> Cost:
        """What it and everything inside of it used, as far as it has ended."""
        return sum((kin.effect.outcome.cost for kin in self.tree(effect) if kin.effect.outcome is not None), FREE)

    def _find_opener(self, effect: Effect) -> str | None:
        intent = effect.intent
        if intent.kind is Kind.RUN:
            return None
        opener = ask_of(intent.run)
        if opener in self._effects:
            return opener
        launch = ask_of(intent.agent)  # The launch has the digits of the agent that it made.
        return launch if launch in self._effects and launch != intent.id else None

    def _parents(self, effect: Effect) -> Iterable[Effect]:
        opener = self.opener(effect)
        return self.causes(effect) if opener is None else (*self.causes(effect), opener)

    def _made_of(self, effect: Effect) -> Iterable[Effect]:
        return (*self.causes(effect), *(self.opened(effect) if effect.intent.kind is Kind.ASK else ()))


def is_model_call(effect: Effect) -> bool:
    """Whether a model was asked: it is a tool that was paid by the token."""
    return effect.intent.kind is Kind.TOOL and effect.outcome is not None and effect.outcome.cost.tokens > 0


def opens(effect: Effect) -> str:
    """The id of the run, or of the agent, that begins with it; empty for what opens nothing."""
    match effect.intent.kind:
        case Kind.RUN | Kind.ASK:
            return run_of(effect.intent.id)
        case Kind.SPAWN:
            return agent_of(effect.intent.id)
        case _:
            return ""


def _walk(
    start: Effect, onward: Callable[[Effect], Iterable[Effect]], depth: int | None, first: Iterable[Effect] | None = None
) -> Iterator[Kin]:
    """Breadth first, without ``start``."""
    seen = {start.intent.id}
    here: Iterable[Effect] = onward(start) if first is None else first
    distance = 1
    while depth is None or distance <= depth:
        found: list[Effect] = []
        for effect in here:
            if effect.intent.id not in seen:
                seen.add(effect.intent.id)
                found.append(effect)
                yield Kin(effect, distance)
        if not found:
            return
        here = [effect for known in found for effect in onward(known)]
        distance += 1
