"""An ask, seen from the agent that answers: the actuator whose act is an action's body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import msgspec

from bailiwick import codec
from bailiwick.agents.blueprint import Action
from bailiwick.agents.resident import Resident
from bailiwick.agents.run import Cursor, Run, current
from bailiwick.effects import Actuator, Intent, Outcome, Result, Seal, Status
from bailiwick.errors import DeadlineExceeded, ReplayDiverged
from bailiwick.ids import run_of

Emit = Callable[[bytes], Awaitable[None]]


class Invocation(Actuator):
    """One call of one action of one agent."""

    __slots__ = ("_acted", "_action", "_arguments", "_emit", "_remaining", "_resident")

    def __init__(
        self, resident: Resident, action: Action, arguments: dict[str, Any], remaining: timedelta | None, emit: Emit | None
    ) -> None:
        self._resident = resident
        self._action = action
        self._arguments = arguments
        self._remaining = remaining
        self._emit = emit
        self._acted = False

    async def act(self, intent: Intent) -> Result:
        self._acted = True
        if self._remaining is None:
            return Result(value=await self._run(intent))
        limit = asyncio.timeout(self._remaining.total_seconds())
        try:
            async with limit:
                return Result(value=await self._run(intent))
        except TimeoutError as error:
            if not limit.expired():
                raise  # The action's own.
            raise DeadlineExceeded(f"{self._action.qualified} did not answer before the deadline and was told to stop") from error

    async def rebuild(self, intent: Intent, outcome: Outcome) -> None:
        """Go through a run that has ended once more, because the seal that was restored is older than its end: its effects are all
        on record, so nothing is done again, but the agent's state becomes what it was. Raises `ReplayDiverged`."""
        try:
            value = await self._run(intent, rebuilding=True)
        except ReplayDiverged:
            raise
        except Exception as error:
            if outcome.status is Status.DONE:
                raise _diverged(self._action, intent, f"{type(error).__name__}: {error}") from error
            return
        if outcome.status is Status.DONE and value != outcome.value:
            raise _diverged(self._action, intent, f"{codec.decode(value)!r:.200}")

    def seal(self) -> Seal | None:
        return self._resident.seal(ended=self._acted)

    async def _run(self, intent: Intent, *, rebuilding: bool = False) -> bytes:
        resident, action = self._resident, self._action
        await resident.begin(exclusive=action.exclusive)
        current.set(Cursor(Run(run_of(intent.id), resident.id, rebuilding=rebuilding)))
        try:
            if action.signature.streams:
                return await self._stream(action.function(resident.agent, **self._arguments))
            return action.signature.pack_result(await action.function(resident.agent, **self._arguments))
        finally:
            resident.end()

    async def _stream(self, values: AsyncGenerator[Any]) -> bytes:
        """Send each value on its way as it comes; keep all, for the record."""
        items: list[msgspec.Raw] = []
        async with aclosing(values):
            async for value in values:
                item = self._action.signature.pack_result(value)
                if self._emit is not None:
                    await self._emit(item)
                items.append(msgspec.Raw(item))
        return codec.encode(items)


def _diverged(action: Action, intent: Intent, now: str) -> ReplayDiverged:
    return ReplayDiverged(
        f"run {run_of(intent.id)} of {action.qualified} ended otherwise than the record says when it was gone through again to "
        f"rebuild the agent's state ({now}): the code changed, or it depends on something that is not an effect",
        asked=now,
    )
