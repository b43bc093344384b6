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
from bailiwick.errors import BailiwickError, DeadlineExceeded, ReplayDiverged
from bailiwick.ids import run_of

REBUILD = timedelta(seconds=1)
"""How long an action that missed its deadline may take when it is gone through again."""

Emit = Callable[[bytes], Awaitable[None]]


class Invocation(Actuator):
    """One call of one action of one agent."""

    __slots__ = ("_acted", "_action", "_arguments", "_emit", "_remaining", "_resident", "sent")

    def __init__(
        self, resident: Resident, action: Action, arguments: dict[str, Any], remaining: timedelta | None, emit: Emit | None
    ) -> None:
        self._resident = resident
        self._action = action
        self._arguments = arguments
        self._remaining = remaining
        self._emit = emit
        self._acted = False
        self.sent: list[msgspec.Raw] = []
        """What a stream has yielded so far."""

    @property
    def streams(self) -> bool:
        """Whether it answers with a stream."""
        return self._action.signature.streams

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
        if outcome.status is Status.CANCELLED:
            return  # How far it came, nobody knows; what it had changed by then is not in the state.
        late = outcome.failure is not None and outcome.failure.code == DeadlineExceeded.code
        try:
            # One that only waited, until its deadline passed, waits again: not for long.
            async with asyncio.timeout(REBUILD.total_seconds() if late else None):
                value = await self._run(intent, rebuilding=True, cut_off=late)
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

    async def _run(self, intent: Intent, *, rebuilding: bool = False, cut_off: bool = False) -> bytes:
        resident, action = self._resident, self._action
        await resident.begin(exclusive=action.exclusive)
        run = run_of(intent.id)
        entry = resident.reentries.pop(run, None)
        current.set(Cursor(Run(run, resident.id, rebuilding=rebuilding, cut_off=cut_off, entry=entry, code=action.code)))
        try:
            if action.signature.streams:
                return await self._stream(action.function(resident.agent, **self._arguments))
            return action.signature.pack_result(await action.function(resident.agent, **self._arguments))
        except BailiwickError as error:
            resident.torn = resident.torn or error.leaves_open
            raise
        finally:
            resident.end()

    async def _stream(self, values: AsyncGenerator[Any]) -> bytes:
        """Send each value on its way as it comes; keep all, for the record."""
        async with aclosing(values):
            async for value in values:
                item = self._action.signature.pack_result(value)
                if self._emit is not None:
                    await self._emit(item)
                self.sent.append(msgspec.Raw(item))
        return codec.encode(self.sent)


def _diverged(action: Action, intent: Intent, now: str) -> ReplayDiverged:
    return ReplayDiverged(
        f"run {run_of(intent.id)} of {action.qualified} ended otherwise than the record says when it was gone through again to "
        f"rebuild the agent's state ({now}): the code changed, or it depends on something that is not an effect",
        asked=now,
    )
