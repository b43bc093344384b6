"""Group commit: one thread writes whatever was queued while its last write ran, so a thousand callers share one flush.

There is no timer to tune: a fast disk makes small batches, a slow one large ones. What nobody waits for is not written at
once: it rides with the next batch somebody waits for, or goes alone after `LINGER`. That is how an outcome shares the flush
of the next intent. The idea is from DeWitt and others, *Implementation Techniques for Main Memory Database Systems* (1984).

Two threads share this object and no lock. What the event loop's thread changes, the writing thread only reads, and the other
way round; where both look for each other's news, each first tells and then looks, so that at least one of them sees the other.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any, Generic, TypeVar

from bailiwick.errors import LedgerUnavailable

T = TypeVar("T")
R = TypeVar("R")

LINGER = timedelta(milliseconds=50)
"""How long something may stay unwritten that nobody waits for."""

CROWD = 1_000
"""So many queued items are written at once even if nobody waits for them."""


class Medium(ABC, Generic[T]):
    """What is written to. Only the writing thread calls it."""

    @abstractmethod
    def write(self, items: list[T]) -> int:
        """Return the number of the last of ``items`` once all are durable. If it raises, none is, and nothing is written after them."""

    @abstractmethod
    def tidy(self, *, last: bool) -> None:
        """Do what need not be done before those who wait are told. ``last``: nothing will be written any more."""

    @abstractmethod
    def release(self) -> None:
        """Let go of the medium. The thread ends with this, also after a failure. Does not raise."""


class GroupCommit(Generic[T]):
    """A queue and the thread that empties it. All public methods belong to the thread of one event loop."""

    def __init__(self, medium: Medium[T], *, durable_seq: int, max_batch: int | None = None) -> None:
        self.durable_seq = durable_seq
        """Everything up to this number is durable."""
        self.failure: LedgerUnavailable | None = None
        """Why nothing is written any more; None while all is well."""
        self._medium = medium
        self._max_batch = max_batch
        self._queue: list[T] = []
        self._flight: list[T] = []
        self._wanted_seq = 0
        self._closing = False
        self._resting = False
        self._bell = threading.Lock()
        self._bell.acquire()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._listening: asyncio.AbstractEventLoop | None = None
        self._tickets: deque[Future[None]] = deque()
        self._errands: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        # A daemon: a program that forgets to close ends as if it had been killed, which the record survives.
        self._thread = threading.Thread(target=self._run, name="bailiwick-ledger", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Queue ``item`` to be written after all before it. Returns at once."""
        self._queue.append(item)
        if self._resting:
            self._ring()

    async def wait(self, seq: int) -> None:
        """Return once everything up to ``seq``, the newest number, is durable. Cancelling the wait disturbs nobody else's.

        Raises `LedgerUnavailable` if it cannot be made durable.
        """
        if self.failure is not None:
            raise self.refusal()
        if self.durable_seq >= seq:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiters.append((seq, future))
        self._wanted_seq = seq
        self._ring()
        if self._listening is not loop:
            self._listen(loop)
        await future

    async def between(self, work: Callable[[], R]) -> R:
        """What ``work`` returns, called in the writing thread between two writes. Raises what it raises, or `LedgerUnavailable`."""
        if self.failure is not None:
            raise self.refusal()
        done: Future[R] = Future()
        self._errands.append((work, done))
        self._ring()
        return await asyncio.wrap_future(done)

    def unwritten(self) -> list[T]:
        """What may not be durable yet, in order; some of it may be."""
        # The queue is read first: what the thread takes from it meanwhile is in flight by then, and what has landed is durable.
        queued = list(self._queue)
        return self._flight + queued

    def refusal(self) -> LedgerUnavailable:
        """`failure`, in a copy to raise: a traceback belongs to one raise."""
        failure = self.failure or LedgerUnavailable("the record cannot be written")
        return LedgerUnavailable(failure.message, **failure.facts)

    async def close(self) -> None:
        """Write everything, let go of the medium and end the thread; also if it failed before. May be called again."""
        self._closing = True
        self._ring()
        await asyncio.to_thread(self._thread.join)

    def disown(self, failure: LedgerUnavailable) -> None:
        """For the child of a fork, which has a copy of this object but not its thread: refuse everything from now on."""
        self.failure = failure
        self._queue.clear()

    # In the event loop's thread.

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that `_settle` runs after the next write.

        The ticket is a `concurrent.futures.Future` because that is how an event loop with a virtual clock sees that somebody
        outside is at work.
        """
        self._listening = loop
        ticket: Future[None] = Future()
        asyncio.wrap_future(ticket, loop=loop).add_done_callback(self._settle)
        self._tickets.append(ticket)
        if self.durable_seq >= self._waiters[0][0] or self.failure is not None:
            self._announce()

    def _settle(self, ticket: asyncio.Future[None]) -> None:
        self._listening = None
        waiters = self._waiters
        failed = self.failure is not None
        while waiters and (failed or waiters[0][0] <= self.durable_seq):
            seq, future = waiters.popleft()
            if future.done():
                continue
            if seq <= self.durable_seq:
                future.set_result(None)
            else:
                future.set_exception(self.refusal())
        if waiters:
            self._listen(ticket.get_loop())

    # In either thread.

    def _announce(self) -> None:
        while self._tickets:
            try:
                ticket = self._tickets.popleft()
            except IndexError:
                return  # The other thread was faster.
            ticket.set_result(None)

    # In the writing thread.

    def _run(self) -> None:
        try:
            self._serve()
            self._medium.tidy(last=True)
        except LedgerUnavailable as error:
            self.failure = error
        except Exception as error:
            self.failure = LedgerUnavailable(f"the record cannot be written: {error!r}; what was acknowledged is safe")
        finally:
            self._medium.release()
            self._announce()
            for _, done in self._errands:
                done.set_exception(self.refusal())

    def _serve(self) -> None:
        queue = self._queue
        while queue or not self._closing:
            self._run_errands()
            if self._wanted_seq <= self.durable_seq and len(queue) < CROWD and not self._closing:
                if self._bell.acquire(timeout=LINGER.total_seconds()):
                    continue
                if not queue:
                    self._rest()
                    continue
            batch = queue[: self._max_batch]
            if not batch:
                continue
            self._flight = batch
            del queue[: len(batch)]
            self.durable_seq = self._medium.write(batch)
            self._announce()
            self._medium.tidy(last=False)

    def _run_errands(self) -> None:
        while self._errands:
            work, done = self._errands.popleft()
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

    def _rest(self) -> None:
        self._resting = True
        if not self._queue and not self._closing and not self._errands:
            self._bell.acquire()
        self._resting = False
