"""Boundaries: places inside a run at which it can be entered again, so that going on after a crash need not start at its beginning."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from bailiwick.agents.run import Cursor, current
from bailiwick.errors import BadInput, Refused

T = TypeVar("T")

STEP_EFFECTS = 64
"""A loop of steps seals its run each time this many effects are behind it: at most so many, and those of one step, are read again."""

Seal = Callable[[Cursor, int], Awaitable[None]]


def first_task(what: str) -> Cursor:
    """The cursor of the code that is running, if it is the run's own task. Raises `Refused`."""
    cursor = current.get()
    if cursor is None or not cursor.run.id:
        raise Refused(f"{what} belongs inside a run: call it in an action, a loop or `main`")
    if not cursor.is_first:
        raise Refused(f"{what} belongs in the run's own task, not in one that it started: a run has one place where it goes on")
    return cursor


async def steps(items: Iterable[T] | AsyncIterable[T], every: int, seal: Seal) -> AsyncIterator[T]:
    """See `Agent.steps`. ``seal`` puts the run's place on record."""
    if every < 1:
        raise BadInput(f"every={every}: seal after 1 effect or more")
    cursor = first_task("steps()")
    run = cursor.run
    if run.stepping:
        raise Refused("a run has one loop of steps: what follows a second one could not tell which of the two it goes on with")
    run.stepping = True
    behind = 0
    if run.entry is not None:
        behind = run.entry.step
        cursor.enter()
    run.unsealed = 0
    number = 0
    async for item in _each(items):
        if number >= behind:
            yield item
            if run.unsealed >= every:
                await seal(cursor, number + 1)
        number += 1


async def _each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
