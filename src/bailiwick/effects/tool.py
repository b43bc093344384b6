"""`@tool`: a typed function becomes an act that agents may ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, overload

from bailiwick.effects.records import FREE, Cost, EffectClass
from bailiwick.effects.signature import Signature
from bailiwick.errors import BadInput

Function = Callable[..., Any]
Where = Literal["loop", "thread", "process"]


class Compensable(NamedTuple):
    """An effect that a declared undo takes back; see `compensable`."""

    undo: Function


def compensable(*, undo: Function) -> Compensable:
    """For ``@tool(effect=compensable(undo=…))``: ``undo`` takes the same arguments and the result, and takes the change back."""
    return Compensable(undo)


class Tool:
    """A function with a schema, an effect class and a place to run. Called directly, it is still the plain function."""

    def __init__(self, function: Function, name: str, effect: EffectClass, undo: Function | None, where: Where, estimate: Cost) -> None:
        self.function = function
        self.name = name
        self.effect = effect
        self.undo = undo
        self.where: Where = where
        self.estimate = estimate
        self.signature = Signature(function)
        self.__doc__ = function.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}, {self.effect}, in a {self.where}>"

    def schema(self) -> dict[str, Any]:
        """Name, description, effect class and JSON schema of arguments and result: for models, forms and catalogues."""
        description = inspect.getdoc(self.function) or ""
        return {"name": self.name, "description": description, "effect": self.effect.value, **self.signature.schema()}


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *, effect: EffectClass | Compensable | str = ..., name: str | None = ..., where: Where | None = ..., estimate: Cost = ...
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    effect: EffectClass | Compensable | str = EffectClass.IRREVERSIBLE,
    name: str | None = None,
    where: Where | None = None,
    estimate: Cost = FREE,
) -> Tool | Callable[[Function], Tool]:
    """Declare a function as a tool.

    ``effect``: ``"pure"``, ``"read"``, ``"idempotent"``, ``compensable(undo=…)`` or ``"irreversible"``. A tool that does not say
    is irreversible, and an irreversible tool runs only where a charter allows it by name.
    ``where``: ``"loop"`` (default for ``async def``), ``"thread"`` (default for ``def``, so that it cannot stall other agents) or
    ``"process"``: a worker process, whose death is a recorded failure; the function must then be importable by name.
    ``estimate``: what one call may cost; held in the purse before the call, settled with what it did cost.

    Raises `BadInput` at once for a class it does not know or a signature that cannot cross the wire.
    """

    def declare(function: Function) -> Tool:
        undo = effect.undo if isinstance(effect, Compensable) else None
        place: Where = where or ("loop" if inspect.iscoroutinefunction(function) else "thread")
        if place not in ("loop", "thread", "process"):
            raise BadInput(f'@tool {function.__name__}: where={place!r}: use "loop", "thread" or "process"')
        if inspect.iscoroutinefunction(function) and place != "loop":
            raise BadInput(f"@tool {function.__name__}: an async function runs in the event loop; leave out where={place!r} or use def")
        return Tool(function, name or function.__name__, _class_of(function.__name__, effect), undo, place, estimate)

    return declare if function is None else declare(function)


def _class_of(name: str, effect: EffectClass | Compensable | str) -> EffectClass:
    if isinstance(effect, Compensable):
        return EffectClass.COMPENSABLE
    if effect == EffectClass.COMPENSABLE:
        raise BadInput(f"@tool {name}: a compensable tool says how: effect=compensable(undo=…)")
    try:
        return EffectClass(effect)
    except ValueError:
        raise BadInput(f"@tool {name}: no effect class {effect!r}; use {', '.join(c.value for c in EffectClass)}") from None
