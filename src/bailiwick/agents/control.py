"""Control loops: what an agent does without being asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

from bailiwick.agents.declare import EventMark, LoopMark, TimerMark
from bailiwick.agents.resident import Resident
from bailiwick.agents.run import Cursor, Run, current
from bailiwick.errors import BadInput
from bailiwick.ids import nested_run_id

GRACE = timedelta(seconds=5)
"""How long a loop may take to end after it was told to."""

_log = logging.getLogger(__name__)

Method = Callable[..., Awaitable[None]]


class Loop:
    """One control loop of one resident, running as a task."""

    __slots__ = ("_resident", "busy", "name", "task")

    def __init__(self, resident: Resident, name: str, mark: LoopMark | TimerMark | EventMark, shutdown: asyncio.Event) -> None:
        self._resident = resident
        self.name = name
        self.busy = False
        """In the middle of a call, which a shutdown lets finish; a loop that only waits is simply ended."""
        self.task = resident.host.start_task(self._run(mark, shutdown))

    async def _run(self, mark: LoopMark | TimerMark | EventMark, shutdown: asyncio.Event) -> None:
        """A loop that raises stops its agent: half an agent would be worse than none."""
        home = self._resident
        method = cast(Method, getattr(home.agent, self.name))
        try:
            match mark:
                case LoopMark():
                    await self._loop(method, shutdown)
                case TimerMark(every=every):
                    await self._timer(method, every, shutdown)
                case EventMark(name=event):
                    await self._event(method, event, shutdown)
        except Exception as error:
            because = f"its loop `{self.name}` raised {type(error).__name__}: {error}"
            _log.error("agent %s stops: %s", home.name, because, exc_info=error, extra={"event": "loop_failed", "agent": home.id})
            home.host.start_task(home.host.stop(home.id, because=because))

    async def _loop(self, method: Method, shutdown: asyncio.Event) -> None:
        home = self._resident
        label = f"{self.name}@{home.host.id}"  # A loop starts anew with each incarnation: it is not replayed.
        current.set(Cursor(Run(nested_run_id(home.id, label), home.id, is_loop=True)))
        self.busy = True
        await method(shutdown)

    async def _timer(self, method: Method, every: timedelta, shutdown: asyncio.Event) -> None:
        while not shutdown.is_set():
            await self._resident.host.clock.sleep(every)
            await self._tick(method)

    async def _event(self, method: Method, name: str, shutdown: asyncio.Event) -> None:
        event: Any = getattr(self._resident.agent, name, None)
        if not isinstance(event, asyncio.Event):
            raise BadInput(f'@event("{name}"): set self.{name} = asyncio.Event() in on_startup')
        while not shutdown.is_set():
            await event.wait()
            event.clear()
            await self._tick(method)

    async def _tick(self, method: Method) -> None:
        home = self._resident
        number = home.ticks.get(self.name, 0)
        await home.begin()
        self.busy = True
        current.set(Cursor(Run(nested_run_id(home.id, f"{self.name}/{number}"), home.id)))
        try:
            await method()
        finally:
            current.set(None)
            self.busy = False
            home.end()
        home.ticks[self.name] = number + 1
        seal = home.seal(ended=True)
        if seal is not None:
            home.host.gateway.seal(seal)


def start_loops(resident: Resident) -> list[Loop] | None:
    """Start every control loop that the class declares."""
    if not resident.blueprint.loops:
        return None
    resident.shutdown = asyncio.Event()
    return [Loop(resident, name, mark, resident.shutdown) for name, mark in resident.blueprint.loops.items()]


async def end_loops(resident: Resident) -> None:
    """Tell the loops to end, give those in the middle of something `GRACE`, then cancel them."""
    if resident.loops is None or resident.shutdown is None:
        return
    resident.shutdown.set()
    others = [loop for loop in resident.loops if loop.task is not asyncio.current_task()]  # A loop may stop its own agent.
    for loop in others:
        if not loop.busy:
            loop.task.cancel()
    if not others:
        return
    _, late = await asyncio.wait([loop.task for loop in others], timeout=GRACE.total_seconds())
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
