"""Tools that run in the host's own process: in the event loop, or in one of a bounded number of threads."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from bailiwick.clock import Clock
from bailiwick.effects import Actuator, Intent, Result, Tool
from bailiwick.errors import BadInput, Stopping, ToolFailed
from bailiwick.tools.measure import result_of, thread_cpu_s


class LoopActuator(Actuator):
    """Runs a tool in the event loop. Cancelling the act cancels the tool.

    The cost holds wall time. CPU time it holds only for a plain function: while a coroutine waits, the thread's time is that
    of others.
    """

    def __init__(self, tool: Tool, clock: Clock) -> None:
        self.estimate = tool.estimate
        self.conduct = tool.conduct
        self._name = tool.name
        self._function = tool.function
        self._signature = self.takes = tool.signature
        self._asynchronous = inspect.iscoroutinefunction(tool.function)
        self._now_ns = clock.monotonic_ns

    async def act(self, intent: Intent) -> Result:
        arguments = self._signature.unpack(intent.arguments, intent.idempotency_key)
        started_ns = self._now_ns()
        cpu_s = 0.0
        try:
            if self._asynchronous:
                value = await self._function(**arguments)
            else:
                before_s = thread_cpu_s()
                value = self._function(**arguments)
                cpu_s = thread_cpu_s() - before_s
        except SystemExit as error:
            raise _tried_to_exit(self._name, error) from error
        return result_of(value, self._signature, cpu_s=cpu_s, wall_s=(self._now_ns() - started_ns) / 1e9)


class Ended(NamedTuple):
    """What came of a call in a thread, and what it cost."""

    value: Any
    error: BaseException | None
    cpu_s: float
    wall_s: float


class Threads:
    """The threads that a host's blocking tools share: at most ``size``, started on demand. The rest wait their turn."""

    def __init__(self, size: int) -> None:
        if size < 1:
            raise BadInput(f"{size} threads run nothing; give tools at least 1")
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="bailiwick-tool")
        self._closed = False

    async def run(self, work: Callable[[], Ended]) -> Ended:
        """What ``work`` returns, called in a thread. It must not raise. Raises `Stopping` if the host is closing.

        Cancelled while it waits for a thread, ``work`` is never called. Cancelled later, the thread goes on to the end of it, as no
        thread can be stopped; what it returns is dropped.
        """
        if self._closed:
            raise _stopping()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except asyncio.CancelledError:
            # Either our caller was cancelled, or `close` cancelled what had no thread yet.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _stopping() from None
            raise

    async def call(self, name: str, work: Callable[[], Any], now_ns: Callable[[], int]) -> Ended:
        """What came of ``work``, called in a thread; see `run`. Raises what it raised; ``name`` is the tool's, for messages."""
        ended = await self.run(partial(_call, work, now_ns))
        match ended.error:
            case None:
                return ended
            case SystemExit() as error:
                raise _tried_to_exit(name, error) from error
            case Exception() as error:
                raise error
            case error:
                raise ToolFailed(f"{name} raised {error!r}", type=f"{type(error).__module__}:{type(error).__qualname__}") from error

    async def close(self) -> None:
        """Take no more work, drop what waits, and return once what runs has ended: nothing can end it sooner. A second call waits too."""
        self._closed = True
        # In a thread, because the loop must run on: what the threads do may depend on it.
        await asyncio.to_thread(partial(self._executor.shutdown, wait=True, cancel_futures=True))


class ThreadActuator(Actuator):
    """Runs a tool in one of the shared threads, so that it cannot stall the agents. Its cost holds wall and CPU time of the call alone.

    Cancelling the act does not stop a tool that has begun (see `Threads.run`): a tool that must be stoppable runs in a process.
    """

    def __init__(self, tool: Tool, threads: Threads, clock: Clock) -> None:
        self.estimate = tool.estimate
        self.conduct = tool.conduct
        self._name = tool.name
        self._function = tool.function
        self._signature = self.takes = tool.signature
        self._threads = threads
        self._now_ns = clock.monotonic_ns

    async def act(self, intent: Intent) -> Result:
        arguments = self._signature.unpack(intent.arguments, intent.idempotency_key)
        ended = await self._threads.call(self._name, partial(self._function, **arguments), self._now_ns)
        return result_of(ended.value, self._signature, cpu_s=ended.cpu_s, wall_s=ended.wall_s)


def _call(work: Callable[[], Any], now_ns: Callable[[], int]) -> Ended:
    started_ns = now_ns()
    before_s = thread_cpu_s()
    value: Any = None
    failure: BaseException | None = None
    try:
        value = work()
    except BaseException as error:  # Handed over as a value: a future mistakes StopIteration and CancelledError for its own.
        failure = error
    return Ended(value, failure, thread_cpu_s() - before_s, (now_ns() - started_ns) / 1e9)


def _tried_to_exit(name: str, error: SystemExit) -> ToolFailed:
    return ToolFailed(
        f"{name} called sys.exit({error.code!r}); a tool returns or raises, the process is not its own", type="builtins:SystemExit"
    )


def _stopping() -> Stopping:
    return Stopping("this host is closing and starts no more tools")
