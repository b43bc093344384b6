"""The decorators that turn methods into actions and control loops."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, overload

import msgspec

from bailiwick.errors import BadInput

F = TypeVar("F", bound=Callable[..., Any])

MARK = "__bailiwick__"
"""The attribute under which a decorated method carries its declaration."""


class ActionMark(msgspec.Struct, frozen=True, kw_only=True):
    """This method may be called by others, through a handle."""

    exclusive: bool = False


class LoopMark(msgspec.Struct, frozen=True, kw_only=True):
    """This method runs from launch to shutdown."""


class TimerMark(msgspec.Struct, frozen=True, kw_only=True):
    """This method is called each time ``every`` has passed."""

    every: timedelta


class EventMark(msgspec.Struct, frozen=True, kw_only=True):
    """This method is called each time the agent's attribute ``name``, an `asyncio.Event`, is set."""

    name: str


Mark = ActionMark | LoopMark | TimerMark | EventMark


@overload
def action(method: F, /) -> F: ...
@overload
def action(*, exclusive: bool = ...) -> Callable[[F], F]: ...
def action(method: F | None = None, /, *, exclusive: bool = False) -> F | Callable[[F], F]:
    """Declare an ``async def`` method that others call through a handle; one that yields streams its results.

    Arguments and result cross the wire and are checked against the type hints. An agent's actions run concurrently; an
    ``exclusive`` one waits until no other runs, and runs alone. Change state across an ``await`` only in exclusive actions.
    Raises `BadInput` for a method that is not async.
    """

    def declare(method: F) -> F:
        if not (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)):
            raise BadInput(f"@action {method.__qualname__}: write `async def`; for blocking code inside it there is self.run_blocking(fn)")
        return _mark(method, ActionMark(exclusive=exclusive))

    return declare if method is None else declare(method)


def loop(method: F, /) -> F:
    """Declare an ``async def`` method ``(self, shutdown: asyncio.Event)`` that runs from launch until ``shutdown`` is set.

    After a crash it starts again at its top, with the agent's sealed state; it is not replayed. If it raises, the agent stops.
    """
    return _mark(_coroutine("loop", method), LoopMark())


def timer(every: timedelta, /) -> Callable[[F], F]:
    """Declare an ``async def`` method ``(self)`` that is called each time ``every`` has passed since the last call ended.

    Each tick is a run of its own: one that a crash cut short is repeated, its finished effects read from the record.
    Raises `BadInput` unless ``every`` is longer than zero.
    """
    if not isinstance(every, timedelta) or every <= timedelta(0):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadInput(f"@timer({every!r}): give a timedelta longer than zero, as in @timer(timedelta(seconds=5))")
    return lambda method: _mark(_coroutine("timer", method), TimerMark(every=every))


def event(name: str, /) -> Callable[[F], F]:
    """Declare an ``async def`` method ``(self)`` that is called each time the `asyncio.Event` in attribute ``name`` is set.

    The event is cleared before the call, so one that is set meanwhile leads to another call. Each call is a run of its own.
    """
    return lambda method: _mark(_coroutine("event", method), EventMark(name=name))


def mark_of(attribute: object) -> Mark | None:
    """The declaration that a method carries, if any."""
    return getattr(attribute, MARK, None)


def _coroutine(what: str, method: F) -> F:
    if not inspect.iscoroutinefunction(method):
        raise BadInput(f"@{what} {method.__qualname__}: write `async def`")
    return method


def _mark(method: F, mark: Mark) -> F:
    setattr(method, MARK, mark)
    return method
