"""How the door treats a tool beyond its class: how often it tries, how long it waits, and how it finds out what became of a try."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from bailiwick.errors import BadInput

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How a call that failed is tried again: after ``first``, then ``factor`` times as long each time, never longer than ``longest``.

    ``attempts`` counts the first try. ``on`` are the exceptions that are worth another try; `Unavailable` always is, because
    nothing happened, and is waited for as long as it asks. An effect that must not be repeated is tried again only after an error
    that says that nothing happened, or when its probe does.
    """

    attempts: int = 1
    first: timedelta = timedelta(milliseconds=200)
    factor: float = 2.0
    longest: timedelta = timedelta(seconds=30)
    on: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.factor < 1 or self.first < timedelta(0) or self.longest < timedelta(0):
            raise BadInput(f"{self}: at least 1 attempt, waits of 0 or more, a factor of 1 or more")

    def wait(self, failed: int) -> timedelta:
        """How long to wait after try number ``failed``."""
        return min(self.longest, self.first * min(self.factor ** (failed - 1), 1e6))


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a tool declares of itself to the door."""

    retry: Retry = Retry()
    deadline: timedelta | None = None
    """How long one try may take. Then it is cancelled, and what is not repeatable is in doubt."""
    durable_outcome: bool = False
    """Wait until the outcome is on disk before it is believed: a second barrier, for effects like payments, where what a crash
    forgets could be paid twice by the other side's clock."""
    has_probe: bool = False
    has_undo: bool = False


PLAIN = Conduct()


@dataclass(frozen=True, slots=True)
class Happened(Generic[T]):
    """A probe's answer: the effect happened, and this is what it returned."""

    value: T


class Unanswered(enum.Enum):
    """A probe's other answers."""

    NOT_HAPPENED = "not happened"
    """The other side knows nothing of it: it may be done (again)."""
    UNKNOWN = "unknown"
    """The other side cannot say: a person has to."""


NOT_HAPPENED = Unanswered.NOT_HAPPENED
UNKNOWN = Unanswered.UNKNOWN
