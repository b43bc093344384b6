"""Plans: calls that were approved together before any of them is made, and used up as they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bailiwick import codec
from bailiwick.effects import EffectClass, Intent, Planned, Request, Ruling, RulingVerdict
from bailiwick.errors import BadInput
from bailiwick.ids import EffectId


def planned(tool: str, /, *, times: int = 1, exactly: bytes = b"", **given: Sequence[object]) -> Planned:
    """A call that a run means to make: with ``exactly`` these encoded arguments, or with each argument in ``given`` one of its values.

    What cannot be taken back has to be planned exactly: otherwise it is asked for again.
    """
    allowed = codec.encode({name: list(values) for name, values in given.items()}) if given else b""
    return Planned(tool=tool, digest=codec.digest(exactly) if exactly else "", given=allowed, times=times)


def is_covered(entry: Planned, intent: Intent) -> bool:
    """Whether ``entry`` speaks of this call. Arguments are compared as bytes: 1 is not 1.0, and nothing is converted."""
    if entry.tool != intent.tool or (intent.effect is EffectClass.IRREVERSIBLE and not entry.digest):
        return False
    if entry.digest:
        return codec.digest(intent.arguments) == entry.digest
    if not entry.given:
        return True
    try:
        allowed = codec.decode(entry.given, dict[str, list[Any]])
        arguments = codec.decode(intent.arguments, dict[str, Any])
    except BadInput:  # An agent wrote the plan: what cannot be read covers nothing.
        return False
    return all(name in arguments and codec.encode(arguments[name]) in map(codec.encode, values) for name, values in allowed.items())


class PlanInForce:
    """An approved plan of one run, and which of its calls were made."""

    __slots__ = ("request", "requests", "rulings", "seqs", "used")

    def __init__(self, request: Request, requests: list[Request], rulings: list[Ruling], seqs: list[int]) -> None:
        self.request = request
        self.requests = requests
        self.rulings = rulings
        self.seqs = seqs
        self.used: dict[EffectId, int] = {}
        """Which call was made as which entry of the plan."""

    @property
    def agreed(self) -> frozenset[str]:
        """Who agreed to it."""
        said = {ruling.who for ruling in self.rulings if ruling.verdict is RulingVerdict.APPROVE}
        return frozenset(said.union(*(one.agreed for one in self.requests)))

    def expired(self, at_ns: int) -> bool:
        """Whether its time is over: what is not begun by then is asked for again."""
        return any(0 < one.expires_ns <= at_ns and not one.holds for one in self.requests)

    def take(self, intent: Intent) -> bool:
        """Whether ``intent`` is one of its calls; then it is one fewer. Asked twice for the same effect, it counts once."""
        if (intent.agent, intent.run) != (self.request.intent.agent, self.request.intent.run) or intent.id == self.request.id:
            return False
        if intent.id in self.used:
            return is_covered(self.request.plan[self.used[intent.id]], intent)
        taken = list(self.used.values())
        for number, entry in enumerate(self.request.plan):
            if taken.count(number) < entry.times and is_covered(entry, intent):
                self.used[intent.id] = number
                return True
        return False
