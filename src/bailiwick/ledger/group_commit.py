"""Group commit: whatever was queued while the last write ran is the next one, so a thousand callers share one flush.

There is no timer to tune: a fast disk makes small batches, a slow one large ones. What nobody waits for is not written at
once: it rides with the next batch somebody waits for, or goes alone after `LINGER`. That is how an outcome shares the flush
of the next intent. The idea is from DeWitt and others, *Implementation Techniques for Main Memory Database Systems* (1984).

There are two who can write, one at a time: who holds the *pen*. As long as writes are found to be short, a small batch is written by the
event loop's thread itself at the end of its turn, which spares two changes of thread; a large batch, or any on a slow medium, by
the writing thread, so that the loop goes on. The writing thread also does everything that is not urgent.

But for the pen the two share this object without a lock. What the event loop's thread changes, the writing thread only reads, and the
other way round; where both look for each other's news, each first tells and then looks, so that at least one of them sees the other.
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

from bailiwick.errors import Fenced, LedgerUnavailable
from bailiwick.ledger.pace import Pace

T = TypeVar("T")
R = TypeVar("R")

LINGER = timedelta(milliseconds=50)
"""How long something may stay unwritten that nobody waits for."""

CROWD = 1_000
"""So many queued items are written at once even if nobody waits for them."""


SMALL = 64
"""So many items at most are written by the event loop's thread."""


class Medium(ABC, Generic[T]):
    """What is written to. Only who holds the pen calls it: `write` and `untidy` in either thread, all else in the writing thread."""

    @abstractmethod
    def write(self, items: list[T]) -> int:
        """Return the number of the last of ``items`` once all are durable. If it raises, none is, and nothing is written after them."""

    @abstractmethod
    def tidy(self, *, last: bool) -> None:
        """Do what need not be done before those who wait are told. ``last``: nothing will be written any more."""

    def untidy(self) -> bool:
        """Whether `tidy` has anything to do. Asked after a write by the event loop's thread; after its own, the other always tidies."""
        return False

    @abstractmethod
    def release(self) -> None:
        """Let go of the medium. The thread ends with this, also after a failure; what was queued behind a failure is not written."""


class GroupCommit(Generic[T]):
    """A queue and those who empty it. All public methods belong to the thread of one event loop."""

    def __init__(self, medium: Medium[T], *, durable_seq: int, max_batch: int | None = None, pace: Pace | None = None) -> None:
        self.durable_seq = durable_seq
        """Everything up to this number is durable."""
        self.failure: LedgerUnavailable | Fenced | None = None
        """Why nothing is written any more; None while all is well."""
        self._medium = medium
        self._max_batch = max_batch
        self._pace = pace or Pace()
        self._pen = threading.Lock()
        self._queue: list[T] = []
        self._flight: list[T] = []
        self._wanted_seq = 0
        self._untidy = False
        """Whether the writing thread shall tidy though it has nothing to write."""
        self._closing = False
        self._resting = False
        self._bell = threading.Lock()
        self._bell.acquire()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._expecting: asyncio.AbstractEventLoop | None = None
        """The loop in which `_flush` or `_settle` is going to run."""
        self._called = False
        """Whether the writing thread was rung for in this turn of the loop."""
        self._tickets: deque[Future[None]] = deque()
        self._errands: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        # A daemon: a program that forgets to close ends as if it had been killed, which the record survives.
        self._thread = threading.Thread(target=self._run, name="bailiwick-ledger", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Queue ``item`` to be written after all before it. Returns at once."""
        self._queue.append(item)
        if self._resting or len(self._queue) == CROWD:
            self._ring()

    async def wait(self, seq: int) -> None:
        """Return once everything up to ``seq``, the newest number, is durable. Cancelling the wait disturbs nobody else's.

        Raises `LedgerUnavailable` if it cannot be made durable, `Fenced` if another writes in this one's place.
        """
        if self.failure is not None:
            raise self.refusal()
        if self.durable_seq >= seq:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiters.append((seq, future))
        self._wanted_seq = seq
        if self._expecting is not loop:
            self._expecting = loop
            loop.call_soon(self._flush, loop)  # At the end of this turn: all who come in the same one share it.
        elif len(self._queue) > SMALL and not self._called:
            self._called = True  # It will be too much for this thread anyway; the other may begin.
            self._ring()
        await future

    async def between(self, work: Callable[[], R]) -> R:
        """What ``work`` returns, called in the writing thread between two writes. Cancelled in time, it is not called.

        Raises what it raises, which stops all writing if that is `Fenced`; else as `wait` does, also once `close` was called.
        """
        if self._closing:
            raise self.refusal()
        done: Future[R] = Future()
        self._errands.append((work, done))
        if self.failure is not None:  # Looked for afterwards: a thread that has ended meanwhile does not come for it.
            raise self.refusal()
        self._ring()
        return await asyncio.wrap_future(done)

    def unwritten(self) -> list[T]:
        """What may not be durable yet, in order; some of it may be."""
        # The queue is read first: what the thread takes from it meanwhile is in flight by then, and what has landed is durable.
        queued = list(self._queue)
        return self._flight + queued

    def refusal(self) -> LedgerUnavailable | Fenced:
        """`failure`, in a copy to raise: a traceback belongs to one raise."""
        failure = self.failure or LedgerUnavailable("the record is closed; open it again")
        return type(failure)(failure.message, **failure.facts)

    async def close(self) -> None:
        """Write what is queued, run the errands, let go of the medium and end the thread; also if it failed before. May be called again."""
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

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write what was queued in this turn of the loop and tell those who wait, or leave both to the other thread."""
        self._called = False
        written = True
        try:
            written = self.failure is not None or self.durable_seq >= self._wanted_seq or self._write_here()
        finally:  # An interrupt goes on its way; those who wait are told all the same.
            if written:
                self._tell(loop)
            else:
                self._ring()
                self._listen(loop)

    def _write_here(self) -> bool:
        """False, and nothing is done, if it would take long, or the other thread has the pen or an errand that needs it."""
        if len(self._queue) > SMALL or self._errands or not self._pace.is_short or not self._pen.acquire(blocking=False):
            return False
        try:
            if self._queue and self.failure is None:
                self._write()
            if self.failure is None and self._medium.untidy():
                self._untidy = True
                self._ring()
        except BaseException as error:  # Whatever it is: nobody knows how far the write has come.
            self._fail(error)
            self._ring()  # The thread ends, and lets go of the medium.
            if not isinstance(error, Exception):
                raise
        finally:
            self._pen.release()
        return True

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that `_settle` runs after the other thread's next write.

        The ticket is a `concurrent.futures.Future` because that is how an event loop with a virtual clock sees that somebody
        outside is at work.
        """
        ticket: Future[None] = Future()
        asyncio.wrap_future(ticket, loop=loop).add_done_callback(self._settle)
        self._tickets.append(ticket)
        if self.durable_seq >= self._waiters[0][0] or self.failure is not None:
            self._announce()

    def _settle(self, ticket: asyncio.Future[None]) -> None:
        self._tell(ticket.get_loop())

    def _tell(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake those whose entries are durable, or all if they never will be."""
        self._expecting = None
        waiters = self._waiters
        failed = self.failure is not None  # Looked at first: what was durable before a failure is durable.
        durable_seq = self.durable_seq
        while waiters and (failed or waiters[0][0] <= durable_seq):
            seq, future = waiters.popleft()
            if future.done():
                continue
            if seq <= durable_seq:
                future.set_result(None)
            else:
                future.set_exception(self.refusal())
        if waiters:
            self._expecting = loop
            loop.call_soon(self._flush, loop)

    # In either thread.

    def _announce(self) -> None:
        while self._tickets:
            try:
                ticket = self._tickets.popleft()
            except IndexError:
                return  # The other thread was faster.
            ticket.set_result(None)

    def _write(self) -> None:
        """Write the next batch, pen in hand."""
        batch = self._queue[: self._max_batch]
        self._flight = batch
        del self._queue[: len(batch)]
        if len(batch) > SMALL:
            self.durable_seq = self._medium.write(batch)
            return
        self._pace.begin()
        self.durable_seq = self._medium.write(batch)
        self._pace.end()

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, LedgerUnavailable | Fenced):
            error = LedgerUnavailable(f"the record cannot be written: {error!r}; what was acknowledged is safe")
        self.failure = error

    # In the writing thread.

    def _run(self) -> None:
        try:
            self._serve()
            with self._pen:  # The loop's thread may have taken the last of the queue, and be at it.
                if self.failure is None:
                    self._medium.tidy(last=True)
        except Exception as error:
            self._fail(error)
        finally:
            try:
                self._medium.release()
            finally:
                self._announce()
                while self._errands:
                    _, done = self._errands.popleft()
                    if done.set_running_or_notify_cancel():
                        done.set_exception(self.refusal())

    def _serve(self) -> None:
        while (self._queue or self._errands or not self._closing) and self.failure is None:
            if not self._has_work() and not self._closing:
                if self._bell.acquire(timeout=LINGER.total_seconds()):
                    continue
                if not self._queue:
                    self._rest()
                    continue
            with self._pen:
                try:
                    self._work()
                except BaseException as error:
                    self._fail(error)  # Before the pen is let go: nothing is written after a write that failed.

    def _has_work(self) -> bool:
        return bool(self._wanted_seq > self.durable_seq or len(self._queue) >= CROWD or self._errands or self._untidy)

    def _work(self) -> None:
        self._run_errands()
        if self.failure is not None:  # Or the loop's thread had the pen last, and failed.
            return
        if self._queue:
            self._write()
            self._announce()
        self._untidy = False
        self._medium.tidy(last=False)

    def _run_errands(self) -> None:
        while self._errands and self.failure is None:
            work, done = self._errands.popleft()
            if not done.set_running_or_notify_cancel():
                continue  # Whoever wanted it does not any more.
            try:
                done.set_result(work())
            except BaseException as error:
                if isinstance(error, Fenced):
                    self._fail(error)
                done.set_exception(error)

    def _rest(self) -> None:
        self._resting = True
        if not (self._queue or self._closing or self._has_work() or self.failure is not None):
            self._bell.acquire()
        self._resting = False
