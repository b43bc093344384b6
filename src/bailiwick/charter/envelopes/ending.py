"""How an effect ended, as far as properties ask."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from bailiwick import codec
from bailiwick.effects import Cost, Outcome, Status
from bailiwick.errors import BadInput, BailiwickError, Refused, Unavailable


class _Unknown:
    """What cannot be told: it is not there, is of the wrong type, or is not known yet."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()


class End:
    """An outcome; its value is decoded when somebody asks."""

    __slots__ = ("_encoded", "_value", "at_ns", "cost", "nothing_done", "status")

    def __init__(self, status: Status, cost: Cost, at_ns: int, *, nothing_done: bool = False, encoded: bytes = b"") -> None:
        self.status = status
        self.cost = cost
        self.at_ns = at_ns
        self.nothing_done = nothing_done
        """Whether it is certain that nothing was done: it was refused, or failed with an error that says so."""
        self._encoded = encoded
        self._value: object = UNKNOWN

    @property
    def value(self) -> object:
        """The result; unknown where there is none, or none that can be read."""
        if self._encoded:
            try:
                found: object = codec.decode(self._encoded)
                self._value = found
            except BadInput:
                self._value = UNKNOWN
            self._encoded = b""
        return self._value


def end_of(outcome: Outcome) -> End:
    """``outcome`` as properties see it."""
    refused = outcome.status is Status.REFUSED
    failed = outcome.status is Status.FAILED and outcome.failure is not None and outcome.failure.code in _codes_of_nothing_done()
    return End(outcome.status, outcome.cost, outcome.ended_ns, nothing_done=refused or failed, encoded=outcome.value)


def foreseen(cost: Cost, at_ns: int) -> End:
    """The end of an effect that is about to begin, if it goes well."""
    return End(Status.DONE, cost, at_ns)


@cache
def _codes_of_nothing_done() -> frozenset[str]:
    """The codes of errors that say that nothing was done, and may be done again or not."""

    def below(kind: type[BailiwickError]) -> Iterator[str]:
        yield kind.code
        for child in kind.__subclasses__():
            yield from below(child)

    return frozenset((*below(Refused), *below(Unavailable)))
