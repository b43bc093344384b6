"""How long a write takes as a rule, found out while writing."""

from __future__ import annotations

from datetime import timedelta

from bailiwick.clock import Clock, SystemClock

SHORT = timedelta(microseconds=500)
"""A write that takes no longer, as a rule, may hold up the event loop: to change threads twice costs a good part of that."""

LOOK_AGAIN = 64
"""Every so many writes one counts as short whatever was found, so that a medium that has become fast is noticed. The writing thread
cannot tell: it also waits for its turn to run Python, for up to 5 ms while the event loop is busy."""

_STEP = 9 / 8


class Pace:
    """The median of late: up by a step for each write that took longer, down by one for each other. One that hung moves it by one step."""

    def __init__(self, clock: Clock | None = None) -> None:
        # Not the clock that the rest of a program goes by, which a test may hold: a disk knows but one.
        self._clock = clock or SystemClock()
        self._short_ns = _as_ns(SHORT)
        self._usual_ns = 2 * self._short_ns
        self._until_look = LOOK_AGAIN
        self._begun_ns = 0

    @property
    def is_short(self) -> bool:
        """Whether the next write may be expected to be short. At first it may not, until six or so were seen."""
        return self._usual_ns <= self._short_ns or self._until_look <= 0

    def begin(self) -> None:
        """A write begins."""
        self._begun_ns = self._clock.monotonic_ns()

    def end(self) -> None:
        """It has ended."""
        took_ns = self._clock.monotonic_ns() - self._begun_ns
        self._usual_ns *= _STEP if took_ns > self._usual_ns else 1 / _STEP
        self._until_look = LOOK_AGAIN if self._until_look <= 0 else self._until_look - 1


def _as_ns(duration: timedelta) -> float:
    return duration / timedelta(microseconds=1) * 1_000
