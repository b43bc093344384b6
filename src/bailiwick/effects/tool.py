"""`@tool`: a typed function becomes an act that agents may ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, NamedTuple, overload

from bailiwick.effects.conduct import PLAIN, Conduct, Retry
from bailiwick.effects.records import FREE, Cost, EffectClass
from bailiwick.effects.signature import Signature
from bailiwick.errors import BadInput

Function = Callable[..., Any]
Where = Literal["loop", "thread", "process"]


class Compensable(NamedTuple):
    """An effect that a declared undo takes back; see `compensable`."""

    undo: Function


def compensable(*, undo: Function) -> Compensable:
    """For ``@tool(effect=compensable(undo=…))``: ``undo`` takes the change back.

    Its parameters are any of the tool's own, ``result`` (None where a crash left it unknown whether anything happened) and an
    `IdempotencyKey`, that of the effect it takes back. Twice must be as good as once, and once where nothing happened must do no harm.
    """
    return Compensable(undo)


class Tool:
    """A function with a schema, an effect class and a place to run. Called directly, it is still the plain function."""

    def __init__(
        self,
        function: Function,
        name: str,
        effect: EffectClass,
        where: Where,
        *,
        estimate: Cost = FREE,
        undo: Function | None = None,
        probe: Function | None = None,
        conduct: Conduct = PLAIN,
    ) -> None:
        self.function = function
        self.name = name
        self.effect = effect
        self.undo = undo
        self.probe = probe
        self.conduct = replace(conduct, has_undo=undo is not None, has_probe=probe is not None)
        self.where: Where = where
        self.estimate = estimate
        self.signature = Signature(function)
        self.path = f"{function.__module__}:{function.__qualname__}" if undo or probe or not effect.repeatable else ""
        """Where another process finds it, to undo, to probe or to settle; empty where there is nothing to find it for."""
        for recourse, extra in ((undo, {"result"}), (probe, set[str]())):
            _check_recourse(self, recourse, extra)
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
    *,
    effect: EffectClass | Compensable | str = ...,
    name: str | None = ...,
    where: Where | None = ...,
    estimate: Cost = ...,
    probe: Function | None = ...,
    retry: Retry = ...,
    deadline: timedelta | None = ...,
    durable_outcome: bool = ...,
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    effect: EffectClass | Compensable | str = EffectClass.IRREVERSIBLE,
    name: str | None = None,
    where: Where | None = None,
    estimate: Cost = FREE,
    probe: Function | None = None,
    retry: Retry = PLAIN.retry,
    deadline: timedelta | None = None,
    durable_outcome: bool = False,
) -> Tool | Callable[[Function], Tool]:
    """Declare a function as a tool.

    ``effect``: ``"pure"``, ``"read"``, ``"idempotent"``, ``compensable(undo=…)`` or ``"irreversible"``. A tool that does not say
    is irreversible, and an irreversible tool runs only where a charter allows it by name.
    ``where``: ``"loop"`` (default for ``async def``), ``"thread"`` (default for ``def``, so that it cannot stall other agents) or
    ``"process"``: a worker process, whose death is a recorded failure; the function must then be importable by name.
    ``estimate``: what one call may cost; held in the purse before the call, settled with what it did cost.
    ``probe``: asks the other side whether a call that was cut off happened, and returns ``Happened(value)``, ``NOT_HAPPENED`` or
    ``UNKNOWN``; its parameters are any of the tool's own and an `IdempotencyKey`. Without one, an irreversible call that was cut
    off waits for a person.
    ``retry``, ``deadline``: how often and how long a call is tried; see `Retry`. Every attempt stands on the record.
    ``durable_outcome``: wait for the disk once more before the outcome is believed.

    Raises `BadInput` at once for a class it does not know or a signature that cannot cross the wire.
    """

    def declare(function: Function) -> Tool:
        undo = effect.undo if isinstance(effect, Compensable) else None
        place: Where = where or ("loop" if inspect.iscoroutinefunction(function) else "thread")
        if place not in ("loop", "thread", "process"):
            raise BadInput(f'@tool {function.__name__}: where={place!r}: use "loop", "thread" or "process"')
        if inspect.iscoroutinefunction(function) and place != "loop":
            raise BadInput(f"@tool {function.__name__}: an async function runs in the event loop; leave out where={place!r} or use def")
        conduct = Conduct(retry=retry, deadline=deadline, durable_outcome=durable_outcome)
        made = _class_of(function.__name__, effect)
        return Tool(function, name or function.__name__, made, place, estimate=estimate, undo=undo, probe=probe, conduct=conduct)

    return declare if function is None else declare(function)


def _check_recourse(tool: Tool, recourse: Function | None, extra: set[str]) -> None:
    """Raises `BadInput` if an undo or a probe wants what nobody could give it."""
    if recourse is None:
        return
    unknown = set(Signature(recourse).parameters) - set(tool.signature.parameters) - extra
    if unknown:
        known = ", ".join(f"`{name}`" for name in (*tool.signature.parameters, *sorted(extra)))
        raise BadInput(f"@tool {tool.name}: {recourse.__qualname__} takes `{sorted(unknown)[0]}`, and can be given {known}")


def _class_of(name: str, effect: EffectClass | Compensable | str) -> EffectClass:
    if isinstance(effect, Compensable):
        return EffectClass.COMPENSABLE
    if effect == EffectClass.COMPENSABLE:
        raise BadInput(f"@tool {name}: a compensable tool says how: effect=compensable(undo=…)")
    try:
        return EffectClass(effect)
    except ValueError:
        raise BadInput(f"@tool {name}: no effect class {effect!r}; use {', '.join(c.value for c in EffectClass)}") from None
