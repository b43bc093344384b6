"""Runs and positions: how code that is run again asks with the ids it asked with before.

A run is one invocation of an action. Its effects are numbered in the order in which the code asks for them: 1, 2, 3. A task
started inside the run numbers its own: ``2/1`` is the first effect of the second task. A task gets its number when it is
created, which the code decides, not when it first runs, which the event loop decides; so ``gather`` and ``TaskGroup`` give the
same positions every time. That needs to know of every task as it is created: hence the task factory.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

from bailiwick.agents.lineage import Lineage
from bailiwick.effects import Reentry
from bailiwick.errors import Refused
from bailiwick.ids import AgentId, RunId


class Run:
    """One invocation of an action, or of a tick, a loop or a script."""

    __slots__ = (
        "agent",
        "closing",
        "code",
        "cut_off",
        "entry",
        "id",
        "is_loop",
        "lineage",
        "rebuilding",
        "stepping",
        "stopped",
        "unsealed",
    )

    def __init__(
        self,
        run: RunId,
        agent: AgentId,
        *,
        is_loop: bool = False,
        rebuilding: bool = False,
        cut_off: bool = False,
        closing: bool = False,
        entry: Reentry | None = None,
        code: str = "",
    ) -> None:
        self.id = run
        self.agent = agent
        self.is_loop = is_loop
        self.rebuilding = rebuilding
        """True while a run that has ended is gone through again, only to rebuild the agent's state: it may do nothing new."""
        self.cut_off = cut_off
        """True if that run did not end by itself."""
        self.closing = closing
        """True for what an agent does when it is told to stop: it may act although its host winds down."""
        self.entry = entry
        """Where the run goes on, if it was sealed half way; None once that is behind it."""
        self.code = code
        """The digest of the code that runs."""
        self.stopped: BaseException | None = None
        """Why it may do nothing any more: an effect was left open, and going on would be guessing."""
        self.lineage: Lineage | None = None
        self.stepping = False
        self.unsealed = 0
        """Effects since the last seal."""


class Cursor:
    """Where one task of a run stands."""

    __slots__ = ("_asked", "_path", "_tasks", "run")

    def __init__(self, run: Run, path: str = "") -> None:
        self.run = run
        self._path = path
        self._asked = 0
        self._tasks = 0
        if not path and run.entry is not None and run.entry.step < 0:
            self.enter()

    @property
    def is_first(self) -> bool:
        """Whether this is the run's own task, and none that it started."""
        return "/" not in self._path

    def enter(self) -> None:
        """Go on where the run was sealed."""
        entry = self.run.entry
        if entry is not None:
            self._asked, self._tasks, self.run.entry = entry.asked, entry.tasks, None
            self._path = f"g{entry.generation}." if entry.generation else ""

    def place(self, step: int = -1) -> Reentry:
        """Where the run goes on if it is sealed here."""
        generation = int(self._path[1:-1]) if self._path else 0
        return Reentry(asked=self._asked, tasks=self._tasks, step=step, generation=generation)

    def coming(self) -> str:
        """The position of the effect that will be asked for next."""
        return f"{self._path}{self._asked + 1}"

    def next_position(self) -> str:
        """The position of the effect that is being asked for."""
        self._asked += 1
        self.run.unsealed += 1
        return f"{self._path}{self._asked}"

    def for_new_task(self) -> Cursor:
        """The cursor of a task that is being created."""
        self._tasks += 1
        return Cursor(self.run, f"{self._path}{self._tasks}/")


class _Inside(Cursor):
    """Inside a tool: what acts on an intent is no run, and may ask for nothing."""

    def __init__(self) -> None:
        super().__init__(Run(RunId(""), AgentId("")))

    def next_position(self) -> str:
        raise Refused("a tool may not use tools, launch agents or ask them: do that in the action, and give the tool what came of it")

    def for_new_task(self) -> Cursor:
        return self


INSIDE_A_TOOL: Cursor = _Inside()

current: ContextVar[Cursor | None] = ContextVar("bailiwick_cursor", default=None)
"""The cursor of the code that is running; None outside any run."""

_Factory = Any


def number_tasks(loop: asyncio.AbstractEventLoop) -> _Factory:
    """Have ``loop`` give each task that a run creates its own cursor. Returns the factory it had, to be put back."""
    inner = loop.get_task_factory()

    def make(
        loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], *, context: Context | None = None, **rest: Any
    ) -> asyncio.Future[Any]:
        cursor = current.get()
        if cursor is not None and inspect.iscoroutine(coro):  # Not the clean-up of a generator, which comes when it comes.
            context = copy_context() if context is None else context
            context.run(current.set, cursor.for_new_task())
        if inner is not None:
            return inner(loop, coro, context=context, **rest)  # type: ignore[arg-type]
        return asyncio.Task(coro, loop=loop, context=context, **rest)  # type: ignore[arg-type]

    loop.set_task_factory(make)  # type: ignore[arg-type]
    return inner
