"""What agents and people are told of a property that would not hold, or does not."""

from __future__ import annotations

from typing import NamedTuple

from bailiwick.charter.envelopes.words import UNITS_NS, spell
from bailiwick.ids import EffectId


class Breach(NamedTuple):
    """An envelope that a call would leave, or that was left."""

    envelope: str
    """Its name."""
    property: str
    """As it was written."""
    reason: str
    """In words for whoever is refused: what there is, what is allowed, when to try again."""
    because: tuple[EffectId | str, ...] = ()
    """The effects that count, as far as they are remembered."""
    until_s: float | None = None
    """After so many seconds there is room for it; None where waiting does not help."""


class Violation(NamedTuple):
    """A place on the record at which a property does not hold."""

    seq: int
    """The number of the entry that shows it."""
    effect: EffectId
    """The effect that broke it; for an answer that did not come, what asked for it."""
    envelope: str
    property: str
    words: str
    because: tuple[EffectId | str, ...] = ()


def waiting(now_ns: int, then_ns: int | None) -> tuple[str, float | None]:
    """In words and in seconds how long to wait until ``then_ns``."""
    if then_ns is None:
        return "waiting does not help", None
    left_ns = max(then_ns - now_ns, 0)
    shown = spell(left_ns) if left_ns < UNITS_NS["m"] else spell(left_ns // UNITS_NS["s"] * UNITS_NS["s"])
    return f"it can be asked for again in {shown}", left_ns / UNITS_NS["s"]
