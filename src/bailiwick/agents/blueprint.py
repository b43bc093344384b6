"""What an agent class declares: its actions, its control loops and its state, read once for each class."""

from __future__ import annotations

import copy
import difflib
import inspect
import typing
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

from bailiwick import codec
from bailiwick.agents.agent import Agent
from bailiwick.agents.code import digest_of
from bailiwick.agents.declare import ActionMark, EventMark, LoopMark, TimerMark, mark_of
from bailiwick.effects import Signature
from bailiwick.errors import BadInput, Defect, NoSuchAction, Unencodable

RESERVED = frozenset({"describe", "handle", "id", "name", "oneway", "ping", "shutdown", "within"})
"""What agents or handles have themselves, and no action or state may be called."""


class Action(msgspec.Struct, frozen=True):
    """One action of a class, ready to be called."""

    name: str
    qualified: str
    """``Class.action``, the name that charters and the record know it by."""
    function: Callable[..., Any]
    exclusive: bool
    signature: Signature
    code: str
    """The digest of its code."""


class Blueprint:
    """The declarations of one agent class. Make it with `of`; it is kept with the class."""

    def __init__(self, kind: type[Agent]) -> None:
        self.kind = kind
        self.name = kind.__name__
        self.actions: dict[str, Action] = {}
        self.loops: dict[str, LoopMark | TimerMark | EventMark] = {}
        for name in dir(kind):
            if name in RESERVED and getattr(kind, name, None) is not getattr(Agent, name, None):
                raise BadInput(f"{self.name}.{name}: agents and handles have a `{name}` of their own; give it another name")
            attribute = inspect.getattr_static(kind, name)
            match mark_of(attribute):
                case ActionMark(exclusive=exclusive):
                    signature = Signature(attribute, method=True)
                    self.actions[name] = Action(name, f"{self.name}.{name}", attribute, exclusive, signature, digest_of(attribute))
                case LoopMark() | TimerMark() | EventMark() as mark:
                    self.loops[name] = mark
                case None:
                    pass
        self.any_exclusive = any(action.exclusive for action in self.actions.values())
        self._fields = _declared_fields(kind)
        if taken := RESERVED & self._fields.keys():
            raise BadInput(f"{self.name}.{min(taken)}: agents and handles have a `{min(taken)}` of their own; give it another name")
        self._defaults = {name: getattr(kind, name) for name in self._fields if hasattr(kind, name)}
        self._init = None if kind.__init__ is Agent.__init__ else Signature(kind.__init__, method=True)
        if self._init is None:
            self._state_type = _struct(self.name, self._fields, required=set(self._fields) - set(self._defaults))
        else:
            self._state_type = _struct(self.name, self._fields, required=set())
        self._decode = codec.decoder(self._state_type)

    @staticmethod
    def of(kind: type[Agent]) -> Blueprint:
        """The blueprint of ``kind``. Raises `BadInput` if a declaration cannot work."""
        kind = typing.get_origin(kind) or kind
        found = kind.__dict__.get("__bailiwick_blueprint__")
        if found is None:
            found = Blueprint(kind)
            setattr(kind, "__bailiwick_blueprint__", found)  # noqa: B010 -- a class attribute that no class declares
        return found

    @property
    def path(self) -> str:
        """``module:Class``."""
        return f"{self.kind.__module__}:{self.kind.__qualname__}"

    @property
    def keeps_state(self) -> bool:
        """Whether there is anything to seal."""
        return bool(self._fields)

    def action(self, name: str) -> Action:
        """The action of this name. Raises `NoSuchAction`, naming the nearest."""
        try:
            return self.actions[name]
        except KeyError:
            near = difflib.get_close_matches(name, self.actions, 1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(sorted(self.actions)) or 'none'}"
            raise NoSuchAction(f"{self.name} has no action `{name}`{hint}", action=name, actions=sorted(self.actions)) from None

    def pack(self, args: tuple[Any, ...], fields: dict[str, Any]) -> bytes:
        """The arguments of a launch. Raises `BadInput`."""
        if self._init is not None:
            return self._init.pack(args, fields)
        if args:
            raise BadInput(f"{self.name} takes its state by name: {', '.join(self._fields) or 'it declares none'}")
        if unknown := fields.keys() - self._fields.keys():
            near = difflib.get_close_matches(min(unknown), self._fields, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise BadInput(f"{self.name} declares no state `{min(unknown)}`{hint}")
        data = codec.encode(fields)
        self._read(data)
        return data

    def build(self, agent: Agent, arguments: bytes) -> None:
        """Give a fresh instance its defaults and the arguments it was launched with. Raises `BadInput`."""
        for name, default in self._defaults.items():
            setattr(agent, name, copy.deepcopy(default))
        if self._init is not None:
            self.kind.__init__(agent, **self._init.unpack(arguments))
        else:
            self.restore(agent, arguments)

    def state(self, agent: Agent) -> bytes:
        """The declared state as canonical bytes. Raises `Unencodable`, naming the agent's class."""
        try:
            return codec.encode({name: getattr(agent, name) for name in self._fields if hasattr(agent, name)})
        except Unencodable as error:
            raise Unencodable(f"the state of {self.name} cannot be sealed: {error}") from error

    def check_state(self, state: bytes) -> None:
        """Return if ``state`` could be restored. Raises `Defect`, naming what its type hints forbid."""
        try:
            self._decode(state)
        except BadInput as error:
            raise Defect(f"the state of {self.name} is not what it declares: {error}") from error

    def restore(self, agent: Agent, state: bytes) -> None:
        """Set the declared state from bytes, checked against its type hints. Raises `BadInput`; then nothing was set."""
        found = self._read(state)
        for name in self._fields:
            value = getattr(found, name)
            if value is not msgspec.UNSET:
                setattr(agent, name, value)

    def describe(self) -> dict[str, Any]:
        """Class, actions with their JSON schemas, and control loops: what a catalogue shows."""
        actions = {
            name: {"description": inspect.getdoc(action.function) or "", "exclusive": action.exclusive, "streams": action.signature.streams}
            | action.signature.schema()
            for name, action in sorted(self.actions.items())
        }
        description = inspect.getdoc(self.kind) or ""
        return {"class": self.path, "description": description, "actions": actions, "loops": sorted(self.loops)}

    def _read(self, data: bytes) -> msgspec.Struct:
        try:
            return self._decode(data)
        except BadInput as error:
            raise BadInput(f"{self.name}: {error}") from error


def _declared_fields(kind: type[Agent]) -> dict[str, Any]:
    """Annotated public attributes are state; those that begin with ``_`` or are class variables are not."""
    hints: dict[str, Any] = {}
    try:
        for cls in reversed(kind.__mro__):
            if cls not in (Agent, object):
                hints |= inspect.get_annotations(cls, eval_str=True)
    except (NameError, TypeError) as error:
        raise BadInput(f"{kind.__qualname__}: a type hint cannot be resolved: {error}; define or import it at module level") from error
    return {name: hint for name, hint in hints.items() if not name.startswith("_") and ClassVar not in (hint, typing.get_origin(hint))}


def _struct(name: str, fields: dict[str, Any], required: set[str]) -> type[msgspec.Struct]:
    declared: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (field, hint) if field in required else (field, hint, msgspec.UNSET) for field, hint in fields.items()
    ]
    return msgspec.defstruct(f"{name}State", declared, kw_only=True)
