"""Where the tools of one host act.

A worker process imports this package's face too, and its start is part of what a first call waits for. So what only a host
needs, asyncio before all, is imported in the functions that need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from bailiwick.effects import Actuator, Tool

if TYPE_CHECKING:
    from bailiwick.clock import Clock

ONE_THREAD_EACH: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1")
)
"""For the environment of workers: they share the cores, and numerical libraries that each start a thread for every core would
only be in each other's way."""


class Toolbox:
    """The threads and worker processes of one host, and an actuator for each tool that runs in them.

    ``workers`` and ``threads`` are the most there ever are at a time; none is started before a tool needs it. ``environment`` is
    set in workers where the host's own does not say otherwise; the rest they inherit. A toolbox belongs to one event loop. Raises
    `BadInput` if either number is below 1, `Defect` in a worker process.
    """

    def __init__(self, clock: Clock, *, workers: int = 2, threads: int = 8, environment: Mapping[str, str] = ONE_THREAD_EACH) -> None:
        from bailiwick.tools.functions import Threads
        from bailiwick.tools.workers import WorkerPool

        self._clock = clock
        self._threads = Threads(threads)
        self._pool = WorkerPool(workers, clock, environment)
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
        import asyncio

        await asyncio.gather(self._pool.close(), self._threads.close())

    def _make(self, tool: Tool) -> Actuator:
        if tool.undo is None and tool.probe is None:
            return self._acting(tool)
        from bailiwick.tools.recourse import Recourse

        return Recourse(self._acting(tool), tool, self._threads, self._clock)

    def _acting(self, tool: Tool) -> Actuator:
        from bailiwick.tools.functions import LoopActuator, ThreadActuator
        from bailiwick.tools.workers import ProcessActuator

        match tool.where:
            case "loop":
                return LoopActuator(tool, self._clock)
            case "thread":
                return ThreadActuator(tool, self._threads, self._clock)
            case "process":
                return ProcessActuator(tool, self._pool)
