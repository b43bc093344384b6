"""Interruptions: a tree of runs that was told to stop does nothing new, so that it can be resumed as it stands on record."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from bailiwick.agents.run import Run, current
from bailiwick.ids import AgentId, RunId, root_key

if TYPE_CHECKING:
    from bailiwick.agents.host import Host

T = TypeVar("T")


class Interruptions:
    """Which trees of runs on one host were told to stop."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._roots: set[str] = set()
        self._root_agent: AgentId | None = None
        self.of_all = False
        """The host is closing."""

    def of(self, run: RunId) -> bool:
        """Whether the tree of ``run`` was told to stop."""
        return self.of_all or (bool(self._roots) and root_key(run) in self._roots)

    def gone_on_with(self, root: Run) -> None:
        """The tree of ``root`` begins here, or is resumed."""
        self._roots.discard(root_key(root.id))
        self._root_agent = root.agent

    def none_made(self, run: Run) -> bool:
        """Whether something in ``run`` that was cancelled was cancelled by the code that runs, not because it was told to stop."""
        if run.is_loop or self.of(run.id):
            return False
        return run.agent in self._host.residents or run.agent == self._root_agent

    async def supervise(self, main: Coroutine[Any, Any, T]) -> T:
        """What ``main``, the root of a tree of runs, returns. Cancelled, the whole tree is told to stop first: then nothing it does while
        it is torn down goes on record, where it would be in the way of what it goes on with when it is resumed."""
        # Not by the task factory: it is the run's own task, not one that the run started.
        task = asyncio.Task(main, loop=asyncio.get_running_loop(), context=copy_context())
        cursor = current.get()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            if cursor is not None:
                self._roots.add(root_key(cursor.run.id))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()
