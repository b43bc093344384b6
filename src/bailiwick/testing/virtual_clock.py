"""A virtual clock for asyncio: ten years of sleep take no time, and a program that waits for nothing is told so.

``run(main())`` is ``asyncio.run(main())`` on a loop that holds the clock. Its rule:

*Time passes only when everybody waits for it.* While a callback is ready, time stands still. When none is, the loop looks
whether anything outside it is at work; if not, time jumps to the next timer at once. If something is, the loop waits for it in
real time and time still stands still: what happens outside takes no virtual time. Only when the outside has been silent for
``patience`` (real seconds) does time go on to the next timer, so that a deadline on a hung worker still passes.

*At work outside* is

- a `concurrent.futures.Future` that entered the loop by ``run_in_executor``, `asyncio.to_thread` or `asyncio.wrap_future`
  and is not done;
- a child process started by `asyncio.create_subprocess_exec` or ``…_shell`` that has not ended;
- a watched file descriptor (socket, pipe, pidfd), except the loop's own self-pipe, listening sockets, and connections over IP
  whose other end was opened on this loop too: what such a connection carries is already in the kernel when the loop looks;
- whatever the test declares by ``with loop.outside_work():``.

A thread of your own that calls ``call_soon_threadsafe`` leaves no trace before it calls; declare it, or use an executor.

*Deadlock.* If nothing is ready, no timer is set and nothing is at work outside, nothing can ever happen again, and a `Defect`
names each task and where it waits. Where other threads live, signal handlers are set or a socket listens, somebody might still
call: then the loop waits for ``patience`` first. The same error ends a run whose clock passes ``horizon``, such as one in
which only a heartbeat is alive.

Time counts in whole microseconds, as `timedelta` does.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

from bailiwick.clock import Clock
from bailiwick.errors import Defect

T = TypeVar("T")

EPOCH_NS = 1_767_225_600_000_000_000
"""When virtual time begins: 2026-01-01T00:00:00Z, in nanoseconds since 1970."""

PATIENCE = timedelta(seconds=5)
HORIZON = timedelta(days=36_525)

_TICK = timedelta(microseconds=1)
_WRAP_FUTURE = asyncio.wrap_future.__code__


def run(coroutine: Coroutine[Any, Any, T], *, seed: int | None = None, patience: timedelta = PATIENCE, horizon: timedelta = HORIZON) -> T:
    """What ``coroutine`` returns, run on a fresh `VirtualClockLoop`; the tasks it leaves behind are cancelled, the loop is closed.

    ``seed`` makes tasks dawdle before each step, see `VirtualClockLoop`. Raises what the coroutine raises, and `Defect` for a
    deadlock; then too every task was cancelled and the loop is closed.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualClockLoop(seed=seed, patience=patience, horizon=horizon)) as runner:
        return runner.run(coroutine)


class VirtualClock(Clock):
    """The time of the `VirtualClockLoop` that runs; outside one, that of the loop it was last read in, and before that the epoch.

    Two clocks on one loop show the same. Raises `Defect` where another kind of loop runs.
    """

    def __init__(self) -> None:
        self._loop: VirtualClockLoop | None = None

    def now_ns(self) -> int:
        return EPOCH_NS + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        loop = self._seen()
        return 0 if loop is None else loop.elapsed_us * 1000

    async def sleep(self, duration: timedelta) -> None:
        self._seen()
        await asyncio.sleep(duration.total_seconds())

    def _seen(self) -> VirtualClockLoop | None:
        running = _running_loop()
        if isinstance(running, VirtualClockLoop):
            self._loop = running
        elif running is not None:
            raise Defect(f"VirtualClock was asked on a {type(running).__name__}; run the coroutine with bailiwick.testing.run(…)")
        return self._loop


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual; the rule is this module's text. ``time()`` starts at 0.

    ``seed`` makes each step of each task wait for zero to two further turns of the loop, drawn from that seed. Callbacks, timers
    and transports keep their order, which asyncio promises; the order in which tasks go on, which nobody promises, varies
    from seed to seed and is the same for the same seed. A task factory set later replaces this.
    """

    def __init__(self, *, seed: int | None = None, patience: timedelta = PATIENCE, horizon: timedelta = HORIZON) -> None:
        self._watch = _Selector(self._idle)
        super().__init__(self._watch)
        self._watch.forget_own()
        # Timers due within one tick fire together. Without it they never would, late in virtual time: there the nanosecond that
        # asyncio adds to the time before it compares is lost in rounding.
        self._clock_resolution = _TICK.total_seconds()
        self._elapsed_us = 0
        self._horizon_us = horizon // _TICK
        self._patience_s = patience.total_seconds()
        self._foreign: WeakSet[asyncio.Future[Any]] = WeakSet()
        self._children: WeakSet[asyncio.SubprocessTransport] = WeakSet()
        self._declared = 0
        self._signals: set[int] = set()
        if seed is not None:
            self.set_task_factory(_dawdling_tasks(random.Random(seed)))

    @property
    def elapsed_us(self) -> int:
        """Virtual microseconds since the loop was made."""
        return self._elapsed_us

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._elapsed_us / 1_000_000

    @contextmanager
    def outside_work(self) -> Generator[None, None, None]:
        """Inside, the loop takes something it cannot see to be at work, such as a thread that will ``call_soon_threadsafe``."""
        self._declared += 1
        try:
            yield
        finally:
            self._declared -= 1

    def create_future(self) -> asyncio.Future[Any]:
        future = super().create_future()
        # Every concurrent future enters a loop through `asyncio.wrap_future`, those of executors included, and this call is the
        # only sign of it that the loop gets.
        if sys._getframe(1).f_code is _WRAP_FUTURE:  # pyright: ignore[reportPrivateUsage]
            self._foreign.add(future)
        return future

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        return self._with_child(await super().subprocess_exec(*args, **options))

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        return self._with_child(await super().subprocess_shell(*args, **options))

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:
        super().add_signal_handler(sig, callback, *args)
        self._signals.add(sig)

    def remove_signal_handler(self, sig: int) -> bool:
        self._signals.discard(sig)
        return super().remove_signal_handler(sig)

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        with self.outside_work():  # The thread that joins the others reports by `call_soon_threadsafe`.
            await super().shutdown_default_executor(*args, **options)

    def _with_child(self, started: tuple[asyncio.SubprocessTransport, Any]) -> tuple[asyncio.SubprocessTransport, Any]:
        self._children.add(started[0])
        return started

    def _idle(self, timeout_s: float | None) -> _Events:
        """Nothing is ready. ``timeout_s`` is how far away the next timer is; None: there is none."""
        if self._works_outside():
            events = self._watch.wait(None if timeout_s is None else self._patience_s)
            if events or timeout_s is None:
                return events
        elif timeout_s is None:
            if self._may_be_called() and (events := self._watch.wait(self._patience_s)):
                return events
            raise self._stuck("nothing is ready, no timer is set and nothing is at work outside the loop")
        self._elapsed_us += round(timeout_s * 1_000_000)
        if self._elapsed_us > self._horizon_us:
            raise self._stuck(f"the virtual clock passed its horizon, {self._horizon_us / 86_400e6:g} days")
        return []

    def _works_outside(self) -> bool:
        return (
            self._declared > 0
            or any(not future.done() for future in self._foreign)
            or any(child.get_returncode() is None for child in self._children)
            or self._watch.reaches_outside()
        )

    def _may_be_called(self) -> bool:
        return bool(self._signals) or threading.active_count() > 1 or self._watch.listens()

    def _stuck(self, why: str) -> Defect:
        waits = sorted(f"{task.get_name()}: {_place(task)}" for task in asyncio.all_tasks(self))
        return Defect("\n  ".join([f"deadlock: {why}; {len(waits)} tasks wait for ever:", *waits]), tasks=waits)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task waits, from its outermost coroutine to the innermost."""
    places: list[str] = []
    awaited: Any = task.get_coro()
    for _ in range(20):
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        places.append(f"{frame.f_code.co_qualname} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})")
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return " > ".join(places)


_Events = list[tuple[selectors.SelectorKey, int]]


class _Ends(NamedTuple):
    """Of one socket: its own address, that of its peer where it has one, and whether it waits for connections."""

    local: object
    peer: object
    listens: bool


def _ends(fd: int) -> _Ends | None:
    """None for what is not a socket over IP, or no socket at all."""
    try:
        probe = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        if probe.family not in (socket.AF_INET, socket.AF_INET6):
            listens = bool(probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            return _Ends(None, None, True) if listens else None
        local = probe.getsockname()
        if probe.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return _Ends(local, None, True)
        return _Ends(local, probe.getpeername(), False)
    except OSError:
        return None  # Not connected yet, or no more.
    finally:
        probe.detach()


class _Selector(selectors.DefaultSelector):
    """The operating system's selector; where a real loop would sleep, it asks ``idle`` what to do."""

    def __init__(self, idle: Callable[[float | None], _Events]) -> None:
        super().__init__()
        self._when_idle = idle
        self._own: frozenset[int] = frozenset()
        self._seen: set[int] = set()

    def forget_own(self) -> None:
        """What is registered by now is the loop's own machinery and no sign of work outside."""
        self._own = frozenset(key.fd for key in self.get_map().values())

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._seen.add(key.fd)
        return key

    def select(self, timeout: float | None = None) -> _Events:
        ready = super().select(0)
        return ready if ready or (timeout is not None and timeout <= 0) else self._when_idle(timeout)

    def wait(self, seconds: float | None) -> _Events:
        """Wait in real time."""
        return super().select(seconds)

    def listens(self) -> bool:
        """Whether a socket waits for connections."""
        return any(ends is not None and ends.listens for ends in map(_ends, self._watched()))

    def reaches_outside(self) -> bool:
        """Whether something is watched whose other end is not on this loop."""
        watched = self._watched()
        if not watched:
            return False
        # All that were ever watched, not only those that are: a client that does not read at the moment is watched by nobody.
        ends = {fd: found for fd in self._seen if (found := _ends(fd)) is not None}
        self._seen = set(ends) | set(watched)
        here = {found.local for found in ends.values()}
        return any(fd not in ends or not (ends[fd].listens or ends[fd].peer in here) for fd in watched)

    def _watched(self) -> list[int]:
        return [key.fd for key in self.get_map().values() if key.fd not in self._own]


def _dawdling_tasks(chance: random.Random) -> Callable[..., asyncio.Task[Any]]:
    def make_task(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Dawdling(coroutine, chance), loop=loop, **options)

    return make_task


class _Dawdling(Coroutine[Any, Any, T]):
    """A coroutine that lets others go first, now and then."""

    def __init__(self, inner: Coroutine[Any, Any, T], chance: random.Random) -> None:
        self._inner = inner
        self._chance = chance
        self._turns = chance.randrange(3)

    def send(self, value: Any) -> Any:
        if self._turns:
            self._turns -= 1
            return None  # To a task, what a bare `yield` says: go on with me in the next turn.
        self._turns = self._chance.randrange(3)
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, None, T]:
        return self._inner.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # Frames, names and code, for whoever looks where a task is.
