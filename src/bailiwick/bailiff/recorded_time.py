"""Recorded time: an event loop in which a run that is gone through again meets what it met, in the order in which it met it.

Code that is replayed waits for nothing but the record, so its waiting takes no time. But the order in which things happen to
it decides what it does next: which of two tools answered first, whether a deadline passed before. So the loop gives out what is on
record one by one, each only when nothing else can go on (`RecordedLoop.turn`), and its clock shows when that was. Timers that were due
before then come before.

What is not on record, such as a thread or a socket, is waited for in real time, and time passes as it does.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from weakref import WeakSet

from bailiwick.clock import Clock

_Events = list[tuple[selectors.SelectorKey, int]]
_RESOLUTION_S = 1e-6


class RecordedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock begins at ``start_ns`` and shows recorded time.

    ``beyond`` is called when nobody waits for a turn and nothing is ready: with the moment of the next timer, None if there is none. It
    returns True to let time go on to that timer; else it has made something go on.
    """

    def __init__(self, start_ns: int, beyond: Callable[[int | None], bool]) -> None:
        self._watch = _Selector(self._idle)
        super().__init__(self._watch)
        self._own_files = len(self._watch.get_map())
        self._clock_resolution = _RESOLUTION_S  # Timers due within it fire together; see `time`.
        self._start_ns = start_ns
        self._elapsed_ns = 0
        self._beyond = beyond
        self.tolerance: Callable[[int], int] = lambda rank: 0
        """By how many nanoseconds a timer may be later than it was due, for the sake of the turn of this rank."""
        self._turns: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._taken = 0
        self._real = 0
        self._threads: WeakSet[asyncio.Future[Any]] = WeakSet()

    def time(self) -> float:
        """Recorded seconds since the loop was made."""
        return self._elapsed_ns / 1e9

    @property
    def now_ns(self) -> int:
        """The recorded time, in nanoseconds since 1970."""
        return self._start_ns + self._elapsed_ns

    def reach(self, at_ns: int) -> None:
        """It is ``at_ns`` now, unless it is later already."""
        self._elapsed_ns = max(self._elapsed_ns, at_ns - self._start_ns)

    async def turn(self, rank: int, at_ns: int) -> None:
        """Return when nothing else can go on, everything of a lower ``rank`` that waits has had its turn, and it is ``at_ns``."""
        turn = self.create_future()
        self.enqueue(turn, rank, at_ns)
        await turn

    def enqueue(self, turn: asyncio.Future[None], rank: int, at_ns: int) -> None:
        """End ``turn`` when `turn` would return, unless somebody ended it before."""
        self._taken += 1
        heapq.heappush(self._turns, (rank, self._taken, at_ns, turn))

    @contextmanager
    def real(self) -> Generator[None]:
        """Inside, something really happens, and time passes with it."""
        self._real += 1
        try:
            yield
        finally:
            self._real -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._threads.add(future)
        return future

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        with self.real():  # The thread that joins the others reports from outside.
            await super().shutdown_default_executor(*args, **options)

    def _idle(self, timeout_s: float | None) -> _Events:
        """Nothing is ready; the next timer is ``timeout_s`` away, None: there is none."""
        if self._real or any(not future.done() for future in self._threads) or len(self._watch.get_map()) > self._own_files:
            events = self._watch.wait(timeout_s)
            if not events:
                self._elapsed_ns += round((timeout_s or 0) * 1e9)
            return events
        due_ns = None if timeout_s is None else self.now_ns + round(timeout_s * 1e9)
        while self._turns and self._turns[0][3].done():
            heapq.heappop(self._turns)
        if self._turns and (due_ns is None or self._turns[0][2] <= due_ns + self.tolerance(self._turns[0][0])):
            _, _, at_ns, turn = heapq.heappop(self._turns)
            self.reach(at_ns)
            turn.set_result(None)
        elif due_ns is not None and (self._turns or self._beyond(due_ns)):
            self.reach(due_ns)
        elif due_ns is None:
            self._beyond(None)
        return []


class RecordedClock(Clock):
    """The time of a `RecordedLoop`."""

    def __init__(self, loop: RecordedLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return self._loop.now_ns

    def monotonic_ns(self) -> int:
        return self._loop.now_ns

    async def sleep(self, duration: timedelta) -> None:
        reached = self._loop.create_future()
        self._loop.call_later(duration.total_seconds(), lambda: reached.done() or reached.set_result(None))
        await reached


class _Selector(selectors.DefaultSelector):
    """The operating system's selector; where a real loop would sleep, it asks ``idle`` what to do."""

    def __init__(self, idle: Callable[[float | None], _Events]) -> None:
        super().__init__()
        self._when_idle = idle

    def select(self, timeout: float | None = None) -> _Events:
        ready = super().select(0)
        return ready if ready or (timeout is not None and timeout <= 0) else self._when_idle(timeout)

    def wait(self, seconds: float | None) -> _Events:
        """Wait in real time."""
        return super().select(seconds)
