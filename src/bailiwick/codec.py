"""The wire codec: MessagePack by msgspec, the same bytes for the same value, in every process.

MessagePack rather than JSON because what is recorded must come back exactly: JSON has no bytes, and turns NaN into
null without a word. People see JSON (`to_json`); the record holds these bytes. Source: https://msgpack.org, and
docs/decisions/0002-msgspec-and-messagepack.md for the measurements.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256
from typing import Any, TypeVar, cast, get_origin

import msgspec

from bailiwick.errors import BadInput, Unencodable

T = TypeVar("T")


# A class may cross the wire as something simpler, as a handle crosses as an address: it has `__to_wire__(self)` and a class method
# `__from_wire__(cls, value)`.


def _simplify(value: Any) -> object:
    simplify = getattr(value, "__to_wire__", None)
    if simplify is None:
        raise TypeError(f"no wire form for {type(value).__name__}")
    return simplify()


def _restore(kind: Any, value: Any) -> Any:
    plain: Any = get_origin(kind) or kind
    if not hasattr(plain, "__from_wire__"):
        raise TypeError(f"no wire form for {getattr(plain, '__name__', plain)}")
    return plain.__from_wire__(value)


_encoder = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_simplify)


def encode(value: object) -> bytes:
    """The canonical bytes of ``value``: dictionaries and sets in sorted order. Raises `Unencodable`."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unencodable(
            f"a value cannot cross the wire: {error}; use numbers, strings, bytes, lists, dictionaries, dataclasses or msgspec structs"
        ) from error


def decoder(kind: Any) -> Callable[[bytes], Any]:
    """A function that decodes and checks bytes as ``kind``; make it once, call it often. It raises `BadInput`."""
    inner = msgspec.msgpack.Decoder(kind, dec_hook=_restore).decode

    def decode_one(data: bytes) -> Any:
        try:
            return inner(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(str(error)) from error

    return decode_one


def decode(data: bytes, kind: type[T] | None = None) -> T:
    """The value in ``data``, checked against ``kind`` (absent: plain numbers, strings, lists, dictionaries). Raises `BadInput`."""
    return cast(T, decoder(Any if kind is None else kind)(data))


def digest(data: bytes) -> str:
    """SHA-256 of ``data`` in hex (64 digits)."""
    return sha256(data).hexdigest()


def to_json(value: object, *, indent: int = 0) -> str:
    """``value`` for people and other programs. Bytes become base64; NaN and infinities become strings, never null."""
    data = msgspec.json.encode(_plain(value), order="sorted")
    return (msgspec.json.format(data, indent=indent) if indent else data).decode()


def _plain(value: object) -> object:
    builtin = msgspec.to_builtins(value, builtin_types=(bytes, datetime, date), enc_hook=_simplify)
    return _spell(builtin)


def _spell(value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {str(key): _spell(item) for key, item in cast(dict[object, object], value).items()}
        case list() | tuple():
            return [_spell(item) for item in cast(list[object], value)]
        case _:
            return value
