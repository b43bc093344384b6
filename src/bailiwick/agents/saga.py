"""Sagas: several effects that are all done, or taken back.

After H. Garcia-Molina and K. Salem, *Sagas*, SIGMOD 1987: steps that can be compensated, then perhaps a *pivot*, the point of no return,
then only steps that can be repeated until they succeed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from bailiwick.agents.run import current
from bailiwick.agents.taking_back import take_back
from bailiwick.effects import Status, Tool, rebuild
from bailiwick.errors import BadInput, BailiwickError, CompensationFailed, Refused, ReplayDiverged, ToolFailed, Unavailable
from bailiwick.gateway import undo_of
from bailiwick.ids import EffectId, effect_id

if TYPE_CHECKING:
    from bailiwick.agents.host import Host
    from bailiwick.agents.run import Run
    from bailiwick.ledger import Past


class _Step(NamedTuple):
    tool: Tool
    effect: EffectId


class Saga:
    """``async with self.saga() as saga:`` if the block raises, what was done in it is taken back, the last first.

    The undos are effects of the same run: after a crash in the middle, resume goes on with them, and nothing is taken back twice. Then
    the exception goes on. If an undo fails after its retries, `CompensationFailed` is raised instead, from the exception; that effect
    and those before it stand. An exception that leaves its effect open (`InDoubt`, `LedgerUnavailable`, a `Defect`) stops the run, as
    everywhere: nothing is taken back until it is resumed. What the code gave up, as by `asyncio.timeout`, is taken back too.
    What the block does otherwise, such as asking agents, is not taken back. Do not `seal` inside: a run that is entered there would not
    know the steps before.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._run: Run | None = None
        self._steps: list[_Step] = []
        self._committed = False
        self._under_way = 0
        self._quiet = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._run = (current.get() or self._host.root).run
        return self

    def use(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Like `Agent.use`, as a step of this saga.

        Raises `BadInput` for a tool that could not be taken back, or, behind the pivot, for one that must not be repeated.
        """
        if self._committed and not tool.effect.repeatable:
            raise BadInput(f"`{tool.name}` ({tool.effect}) stands behind the pivot, where only pure, read and idempotent tools may be used")
        if not self._committed and tool.undo is None and tool.effect.leaves_traces:
            raise BadInput(
                f"`{tool.name}` ({tool.effect}) could not be taken back: declare it compensable(undo=…), or do it last, with saga.pivot(…)"
            )
        return self._act(tool, args, kwargs, is_pivot=False)

    def pivot(self, tool: Tool, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Use ``tool``, of whatever class, as the point of no return: once it has succeeded nothing is taken back any more, and what
        follows must be repeatable. If it fails, everything before it is taken back. Raises `BadInput` for a second one."""
        if self._committed:
            raise BadInput("a saga has one pivot: behind it nothing can be taken back")
        return self._act(tool, args, kwargs, is_pivot=True)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        run, self._run = self._run, None
        if run is None or self._committed:
            return
        if error is None:
            self._was_not_given_up(run)
        elif run.stopped is None and not _leaves_open(error) and (isinstance(error, Exception) or self._gave_up(run, error)):
            while self._under_way:  # Such as those beside the one that failed.
                self._quiet.clear()
                await self._quiet.wait()
            await self._take_back_all(run, error)

    def _act(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any], *, is_pivot: bool) -> Coroutine[Any, Any, Any]:
        cursor = current.get() or self._host.root
        if self._run is None or cursor.run is not self._run:
            raise Refused("this saga is over, or not begun: use it inside its `async with` block, in the run that began it")
        step = _Step(tool, effect_id(cursor.run.id, cursor.coming()))
        if self._host.gateway.find(step.effect) is None:
            self._was_not_given_up(cursor.run)
        using = self._host.asking.use(tool, args, kwargs)
        if tool.undo is not None:
            self._steps.append(step)
        return self._perform(using, is_pivot=is_pivot)

    async def _perform(self, using: Coroutine[Any, Any, Any], *, is_pivot: bool) -> Any:
        self._under_way += 1
        try:
            value = await using
        finally:
            self._under_way -= 1
            self._quiet.set()
        self._committed = self._committed or is_pivot
        return value

    def _gave_up(self, run: Run, error: BaseException) -> bool:
        return isinstance(error, asyncio.CancelledError) and self._host.interruptions.none_made(run)

    def _was_not_given_up(self, run: Run) -> None:
        """Raises `ReplayDiverged` if this run had begun to take this saga back, and now goes on with it."""
        for step in self._steps:
            past = self._host.gateway.find(step.effect)
            undo = past and self._host.gateway.find(undo_of(past.intent, run=run.id, agent=run.agent, at_ns=0).id)
            if undo and undo.intent.run == run.id:
                raise ReplayDiverged(
                    f"run {run.id} had begun to take its saga back (`{step.tool.name}` {step.effect}), and now goes on with it: whatever "
                    f"made it give up, such as a deadline, did not this time. Take the rest back: `bailiwick effects undo --run {run.id}`",
                    run=run.id,
                    effect=step.effect,
                )

    async def _take_back_all(self, run: Run, error: BaseException) -> None:
        steps = list(reversed(self._steps))
        for number, step in enumerate(steps):
            past = self._host.gateway.find(step.effect)
            if past is None or not _may_have_happened(past):
                continue
            if past.outcome is None and not run.rebuilding:  # Given up while it was under way: whatever it did is taken back.
                self._host.gateway.withdraw(past.intent)
            happened = past.outcome if past.outcome is not None and past.outcome.status is Status.DONE else None
            undone = await take_back(self._host, run, step.tool, past.intent, happened)
            if undone.failure is not None:
                stands = [step.effect, *(other.effect for other in steps[number + 1 :])]
                raise CompensationFailed(
                    f"`{step.tool.name}` {step.effect} could not be taken back: {undone.failure.message}. It stands, and so do the "
                    f"{len(stands) - 1} steps before it: look at what it touched, then `bailiwick effects undo {' '.join(stands)}`",
                    effect=step.effect,
                    stands=stands,
                ) from error


def _may_have_happened(past: Past) -> bool:
    outcome = past.outcome
    if outcome is None or outcome.failure is None:
        return True
    return outcome.status is not Status.REFUSED and not isinstance(rebuild(outcome.failure, ToolFailed), Refused | Unavailable)


def _leaves_open(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return any(_leaves_open(inner) for inner in group.exceptions)
    return isinstance(error, BailiwickError) and error.leaves_open
