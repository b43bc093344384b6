"""The schema of a function, read from its type hints: how arguments and results cross the wire and are checked."""

from __future__ import annotations

import collections.abc
import difflib
import inspect
import typing
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NewType

import msgspec

from bailiwick import codec
from bailiwick.effects.secret import Secret
from bailiwick.errors import BadInput, Failed, Unencodable

_STREAMS = (collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator)


IdempotencyKey = NewType("IdempotencyKey", str)
"""Hint a tool's parameter so, and the runtime fills it: the same text for every try of one effect, also after a crash. Give it to
the other side, which then knows a second request for the same as the first."""


class Signature:
    """The parameters and the result of one function, or of one method (then without ``self``).

    Hints are resolved at first use, so a function may name a class that is defined below it. Parameters without a hint take
    anything the codec knows. For an async generator the result is one item.
    """

    def __init__(self, function: Callable[..., Any], *, method: bool = False) -> None:
        self._function = function
        self.name = function.__qualname__
        self.streams = inspect.isasyncgenfunction(function)
        parameters = list(inspect.signature(function).parameters.values())[1 if method else 0 :]
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise BadInput(f"{self.name}: parameter {parameter} has no name on the wire; give each parameter a name and a type hint")
        self.takes_key: str | None = next((p.name for p in parameters if _is_key(p.annotation)), None)
        """The parameter that gets the idempotency key; it is no argument: nobody gives it, and it does not stand on the record."""
        parameters = [parameter for parameter in parameters if parameter.name != self.takes_key]
        self._names = tuple(parameter.name for parameter in parameters)
        self._positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        self._required = frozenset(p.name for p in parameters if p.default is p.empty)
        self._known = frozenset(self._names)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except (NameError, TypeError) as error:
            raise BadInput(f"{self.name}: a type hint cannot be resolved: {error}; define or import the type at module level") from error

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return self._names

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """The names of the arguments that are hinted as `Secret`."""
        return tuple(name for name in self._names if self._hints.get(name) is Secret)

    @cached_property
    def _arguments_type(self) -> type[msgspec.Struct]:
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
            (name, self._hints.get(name, Any)) if name in self._required else (name, self._hints.get(name, Any), msgspec.UNSET)
            for name in self._names
        ]
        return msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)

    @cached_property
    def _decode_arguments(self) -> Callable[[bytes], msgspec.Struct]:
        return codec.decoder(self._arguments_type)

    @cached_property
    def result_type(self) -> Any:
        """The hint of the result (of one item, where the function streams); ``Any`` where there is none."""
        hint = self._hints.get("return", Any)
        if self.streams and typing.get_origin(hint) in _STREAMS:
            return typing.get_args(hint)[0]
        return hint

    @cached_property
    def _decode_result(self) -> Callable[[bytes], Any]:
        return codec.decoder(self.result_type)

    @cached_property
    def _decode_items(self) -> Callable[[bytes], list[Any]]:
        return codec.decoder(list[self.result_type])

    def pack(self, args: Sequence[Any], kwargs: dict[str, Any]) -> bytes:
        """The canonical bytes of a call: every argument by name. Raises `BadInput` for a name too many or too few."""
        if not args and kwargs.keys() == self._known:
            return codec.encode(kwargs)
        if not kwargs and len(args) == len(self._names) == len(self._positional):
            return codec.encode(dict(zip(self._names, args, strict=True)))
        if len(args) > len(self._positional):
            raise BadInput(f"{self.name} takes {len(self._positional)} positional arguments, {len(args)} were given")
        call = dict(zip(self._positional, args, strict=False))
        if twice := call.keys() & kwargs.keys():
            raise BadInput(f"{self.name} got {_list(twice)} twice")
        call.update(kwargs)
        if unknown := call.keys() - self._known:
            raise BadInput(f"{self.name} has no parameter {_list(unknown)}{_nearest(sorted(unknown)[0], self._names)}")
        if missing := self._required - call.keys():
            raise BadInput(f"{self.name} needs {_list(missing)}")
        return codec.encode(call)

    def parse(self, texts: Sequence[str]) -> bytes:
        """The bytes of a call whose arguments were typed by a person, each read as its hint says. Raises `BadInput`."""
        if len(texts) > len(self._positional):
            raise BadInput(f"{self.name} takes {len(self._positional)} arguments, {len(texts)} were given")
        call: dict[str, Any] = {}
        for name, text in zip(self._positional, texts, strict=False):
            try:
                call[name] = msgspec.convert(text, self._hints.get(name, str), strict=False)
            except msgspec.ValidationError as error:
                raise BadInput(f"argument {name}={text!r}: {error}") from None
        return self.pack((), call)

    def unpack(self, data: bytes, key: str = "") -> dict[str, Any]:
        """The keyword arguments in ``data``, each checked against its hint; with ``key`` for who takes it. Raises `BadInput`."""
        try:
            found = msgspec.structs.asdict(self._decode_arguments(data))
        except BadInput as error:
            raise BadInput(f"{self.name}: {error}") from error
        if self.takes_key is not None:
            found[self.takes_key] = IdempotencyKey(key)
        if len(self._required) == len(self._names):
            return found
        return {name: value for name, value in found.items() if value is not msgspec.UNSET}

    def pack_result(self, value: object) -> bytes:
        """The canonical bytes of a result that has the promised type. Raises `Failed` if it has not: the act is done by now."""
        try:
            data = codec.encode(value)
        except Unencodable as error:
            raise Failed(f"{self.name} returned {value!r:.80}: {error}") from error
        if self.result_type is not Any:
            try:
                self._decode_result(data)
            except BadInput as error:
                raise Failed(f"{self.name} returned {value!r:.80}: {error}") from error
        return data

    def unpack_result(self, data: bytes) -> Any:
        """The result in ``data``. Raises `BadInput`."""
        return self._decode_result(data)

    def unpack_items(self, data: bytes) -> list[Any]:
        """The items of a stream that ended. Raises `BadInput`."""
        return self._decode_items(data)

    def schema(self) -> dict[str, Any]:
        """JSON schema (2020-12) of ``arguments`` and ``result``."""
        (arguments, result), components = msgspec.json.schema_components(
            [self._arguments_type, self.result_type], schema_hook=_address_schema, ref_template="#/$defs/{name}"
        )
        definitions: dict[str, Any] = components
        return {"arguments": definitions.pop("Arguments", arguments), "result": result, "$defs": definitions}


def _is_key(annotation: Any) -> bool:
    """Whether a hint, perhaps not resolved yet, is `IdempotencyKey`."""
    return annotation is IdempotencyKey or (isinstance(annotation, str) and annotation.rpartition(".")[2] == "IdempotencyKey")


def _address_schema(kind: type) -> dict[str, Any]:
    """What crosses the wire as an address, such as a handle."""
    if not hasattr(kind, "__from_wire__"):
        raise NotImplementedError
    if kind is Secret:
        return {"type": "string", "description": "a secret: known by its digest"}
    return {"type": "string", "description": f"the id of a {kind.__name__.lower()}'s agent"}


def _list(names: typing.Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _nearest(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{found[0]}`?" if found else f"; it has {_list(known)}" if known else ""
