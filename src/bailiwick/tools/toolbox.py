"""Where the tools of one host act."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bailiwick.clock import Clock
from bailiwick.effects import Actuator, Tool
from bailiwick.tools.functions import LoopActuator, ThreadActuator, Threads
from bailiwick.tools.workers import ONE_THREAD_EACH, ProcessActuator, WorkerPool


class Toolbox:
    """The threads and worker processes of one host, and an actuator for each tool that runs in them.

    ``workers`` and ``threads`` are the most there ever are at a time; none is started before a tool needs it. ``environment`` is
    set in workers, see `WorkerPool`. Raises `BadInput` if either number is below 1, `Defect` in a worker process.
    """

    def __init__(self, clock: Clock, *, workers: int = 2, threads: int = 8, environment: Mapping[str, str] = ONE_THREAD_EACH) -> None:
        self._clock = clock
        self._threads = Threads(threads)
        self._pool = WorkerPool(workers, clock, environment=environment)
        self._actuators: dict[Tool, Actuator] = {}

    def actuator(self, tool: Tool) -> Actuator:
        """What acts on intents for ``tool``: the same object every time. Raises `BadInput` if no worker process could find its function."""
        found = self._actuators.get(tool)
        if found is None:
            found = self._actuators[tool] = self._make(tool)
        return found

    async def close(self) -> None:
        """Return when no worker process and no thread of this host is left. A second call does nothing more.

        Calls in worker processes are stopped and raise `Stopping`, which leaves their effects open; threads are waited for,
        because nothing can stop one. Tools in the event loop are left to who asked for them.
        """
        await asyncio.gather(self._pool.close(), self._threads.close())

    def _make(self, tool: Tool) -> Actuator:
        match tool.where:
            case "loop":
                return LoopActuator(tool, self._clock)
            case "thread":
                return ThreadActuator(tool, self._threads, self._clock)
            case "process":
                return ProcessActuator(tool, self._pool)
