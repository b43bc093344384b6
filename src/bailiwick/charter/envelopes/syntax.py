"""What a property says, once it is read: events, formulas over what happened before, and the forms that bound them."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bailiwick.effects import EffectClass, Kind


class What(enum.Enum):
    """Which part of an effect's life an event is."""

    HAPPENED = "happened"
    """Something was done, or may have been."""
    ATTEMPTED = "attempted"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Path:
    """Something of an effect that can be looked up: an argument, the cost, the outcome's value, labels."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a text, true, false, none, or a tuple of such."""

    value: Any


Term = Path | Literal


@dataclass(frozen=True, slots=True)
class Compare:
    """``left sign right``; sign is one of ``== != < <= > >= in like``."""

    sign: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Negated:
    """The condition does not hold."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Every:
    """All conditions hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the conditions holds."""

    parts: tuple[Condition, ...]


Condition = Path | Compare | Negated | Every | Some


@dataclass(frozen=True, slots=True)
class Event:
    """Effects whose tool matches, of a class and kind where one is named, of which the condition is true."""

    what: What
    tool: str
    effect: EffectClass | None = None
    kind: Kind | None = None
    where: Condition | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """The formula is not true now."""

    part: Formula


@dataclass(frozen=True, slots=True)
class And:
    """All of them are true now."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them is true now."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Once:
    """It was true at some time, now counted in, or at most so long ago; ``before``: now not counted in."""

    part: Formula
    within_ns: int | None = None
    before: bool = False


@dataclass(frozen=True, slots=True)
class Previously:
    """It was true at the event before this one."""

    part: Formula


@dataclass(frozen=True, slots=True)
class Since:
    """``right`` was true once, at most so long ago, and ``left`` ever since; ``before``: now not counted in."""

    left: Formula
    right: Formula
    within_ns: int | None = None
    before: bool = False


Formula = Event | Not | And | Or | Once | Previously | Since


@dataclass(frozen=True, slots=True)
class Never:
    """The formula is true at no event."""

    formula: Formula


@dataclass(frozen=True, slots=True)
class AtMost:
    """So many of these events, ever or in any time so long."""

    event: Event
    most: int
    per_ns: int | None


@dataclass(frozen=True, slots=True)
class Total:
    """So much of something in all of these events together."""

    term: Term
    event: Event
    most: float
    per_ns: int | None
    expecting: float


@dataclass(frozen=True, slots=True)
class Risk:
    """The probability that something goes wrong in one of these events, if it does in each by itself with so much."""

    term: Term
    event: Event
    most: float


@dataclass(frozen=True, slots=True)
class Regret:
    """The sum of what each event fell short of the best so far."""

    term: Term
    event: Event
    most: float
    lowest: bool
    """Whether the lowest is the best."""
    expecting: float


@dataclass(frozen=True, slots=True)
class Response:
    """After each trigger there is an answer in time."""

    trigger: Event
    answer: Event
    within_ns: int
    stop: bool
    """Whether nothing but the answer may happen once it is overdue."""


Property = Never | AtMost | Total | Risk | Regret | Response


def paths(found: Property | Formula | Condition | Term | None) -> Iterator[Path]:
    """Everything that is looked up anywhere in it."""
    match found:
        case Path():
            yield found
        case None | Literal():
            return
        case Compare():
            yield from paths(found.left)
            yield from paths(found.right)
        case Negated() | Not() | Once() | Previously():
            yield from paths(found.part)
        case Every() | Some() | And() | Or():
            for part in found.parts:
                yield from paths(part)
        case Event():
            yield from paths(found.where)
        case Since():
            yield from paths(found.left)
            yield from paths(found.right)
        case Never():
            yield from paths(found.formula)
        case AtMost():
            yield from paths(found.event)
        case Total() | Risk() | Regret():
            yield from paths(found.term)
            yield from paths(found.event)
        case Response():
            yield from paths(found.trigger)
            yield from paths(found.answer)
