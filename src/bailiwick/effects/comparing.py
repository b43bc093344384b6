"""Comparing two runs: effect by effect, aligned by position, and inside each effect again."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from bailiwick import codec
from bailiwick.effects.causality import Causality
from bailiwick.effects.fold import Effect
from bailiwick.effects.records import Kind, Outcome
from bailiwick.ids import agent_of, run_of


class Parting(enum.StrEnum):
    """In which way two runs differ at one place."""

    QUESTION = "question"
    """They asked for different things; what came of it, and what was asked inside, is not compared."""
    OUTCOME = "outcome"
    """The same was asked for, and something else came of it."""
    ONLY_FIRST = "only first"
    """Only the first run asked for something here."""
    ONLY_SECOND = "only second"
    """Only the second run did."""


class Difference(NamedTuple):
    """One place at which two runs differ."""

    parting: Parting
    place: tuple[str, ...]
    """Positions from the runs compared down to the effect: ``("2", "1")`` is the first effect inside the second."""
    first: Effect | None
    second: Effect | None

    @property
    def seq(self) -> int:
        """Where it stands on the record: in the first run, or in the second where the first has nothing."""
        here = self.first or self.second
        return here.seq if here is not None else 0


def compare(web: Causality, first: Effect, second: Effect) -> Iterator[Difference]:
    """Where what was done inside ``first`` and inside ``second`` differs, in the order of the first run's record.

    ``web`` must be of a fold with payloads. Ids that belong to the runs themselves, such as those of their agents, are told apart by
    position: the first agent that each launched is the same to both. What ran when, what it cost and who paid does not count.
    """
    return iter(sorted(_differences(web, first, second), key=lambda difference: difference.seq))


def _differences(web: Causality, first: Effect, second: Effect) -> Iterator[Difference]:
    same_as: dict[str, str] = {}
    unread: list[tuple[Effect, Effect, tuple[str, ...]]] = [(first, second, ())]
    pairs: list[tuple[Effect, Effect, tuple[str, ...]]] = []
    while unread:
        one, other, place = unread.pop()
        pairs.append((one, other, place))
        same_as.update(_names(one, other))
        mine, theirs = _by_place(web.opened(one)), _by_place(web.opened(other))
        for key in mine.keys() | theirs.keys():
            left, right = mine.get(key), theirs.get(key)
            inside = (*place, key)
            if left is None or right is None:
                yield Difference(Parting.ONLY_FIRST if right is None else Parting.ONLY_SECOND, inside, left, right)
            elif left.intent.kind is right.intent.kind and left.intent.tool == right.intent.tool:
                unread.append((left, right, inside))
            else:
                yield Difference(Parting.QUESTION, inside, left, right)
    # Which ids mean the same is known only now.
    for one, other, place in pairs:
        parting = _parting(one, other, same_as)
        if parting is not None:
            yield Difference(parting, place, one, other)


def _names(one: Effect, other: Effect) -> dict[str, str]:
    """Of a pair of effects: which id of the second run is which of the first."""
    mine, theirs = one.intent.id, other.intent.id
    names: dict[str, str] = {theirs: mine}
    if one.intent.kind is Kind.SPAWN or one.intent.kind is Kind.RUN:
        names[agent_of(theirs)] = agent_of(mine)
    if one.intent.kind is not Kind.TOOL:
        names[run_of(theirs)] = run_of(mine)
    return names


def _by_place(effects: Iterable[Effect]) -> dict[str, Effect]:
    """Effects by position; those of an agent's own runs, of which each begins anew to count, by run and position."""
    found: dict[str, Effect] = {}
    runs: dict[str, int] = {}
    for effect in effects:
        number = runs.setdefault(effect.intent.run, len(runs))
        found[f"{number}:{effect.intent.position}" if number else effect.intent.position] = effect
    return found


def _parting(one: Effect, other: Effect, same_as: dict[str, str]) -> Parting | None:
    target = other.intent.target
    if one.intent.target != (same_as.get(target, target) if target is not None else None):
        return Parting.QUESTION
    if not _same(one.intent.arguments, other.intent.arguments, same_as):
        return Parting.QUESTION
    return None if _same_outcome(one.outcome, other.outcome, same_as) else Parting.OUTCOME


def _same_outcome(one: Outcome | None, other: Outcome | None, same_as: dict[str, str]) -> bool:
    if one is None or other is None:
        return one is other
    if one.status is not other.status or one.fidelity is not other.fidelity:
        return False
    if one.failure is not None and other.failure is not None:
        told = (other.failure.message, other.failure.type)
        return (one.failure.message, one.failure.type) == (_renamed(told[0], same_as), told[1])
    return _same(one.value, other.value, same_as)


def _same(one: bytes, other: bytes, same_as: dict[str, str]) -> bool:
    if one == other or not one or not other:
        return one == other
    return codec.encode(codec.decode(one)) == codec.encode(_renamed(codec.decode(other), same_as))


def _renamed(value: Any, same_as: dict[str, str]) -> Any:
    """``value`` with the ids of the first run for those of the second."""
    match value:
        case str():
            return same_as.get(value, value)
        case dict():
            return {_renamed(key, same_as): _renamed(item, same_as) for key, item in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [_renamed(item, same_as) for item in cast("list[Any]", value)]
        case _:
            return value
