"""When a write may hold up the event loop, by a clock that the test holds in its hand."""

from __future__ import annotations

from datetime import timedelta

from bailiwick.clock import Clock
from bailiwick.ledger.pace import LOOK_AGAIN, SHORT, Pace


class Stopwatch(Clock):
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns

    async def sleep(self, duration: timedelta) -> None:
        raise AssertionError("nobody sleeps here")


class Writes:
    """Writes that take as long as the test says."""

    def __init__(self) -> None:
        self._watch = Stopwatch()
        self.pace = Pace(self._watch)

    def take(self, duration: timedelta, times: int) -> None:
        for _ in range(times):
            self.pace.begin()
            self._watch.ns += duration // timedelta(microseconds=1) * 1_000
            self.pace.end()


def test_nothing_is_taken_for_short_before_some_were_seen() -> None:
    writes = Writes()
    assert not writes.pace.is_short
    writes.take(SHORT / 4, 10)
    assert writes.pace.is_short


def test_one_write_that_hung_changes_nothing_and_a_medium_that_became_slow_is_noticed() -> None:
    writes = Writes()
    writes.take(SHORT / 4, 30)
    writes.take(timedelta(seconds=30), 1)
    assert writes.pace.is_short
    writes.take(timedelta(milliseconds=8), 30)
    assert not writes.pace.is_short


def test_a_slow_medium_is_looked_at_again_now_and_then_and_one_that_became_fast_is_noticed() -> None:
    writes = Writes()
    short = 0
    for _ in range(10 * (LOOK_AGAIN + 1)):
        short += writes.pace.is_short
        writes.take(timedelta(milliseconds=8), 1)
    assert short == 10
    writes.take(SHORT / 4, 200)
    assert all(writes.pace.is_short or writes.take(SHORT / 4, 1) for _ in range(100))
