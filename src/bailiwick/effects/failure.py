"""Exceptions across processes: kept as a record, rebuilt with their type where it is known, never by running foreign code."""

from __future__ import annotations

import sys
import traceback
from typing import Any, cast

from bailiwick import codec
from bailiwick.effects.records import Failure
from bailiwick.effects.secret import scrub
from bailiwick.errors import BailiwickError, Unencodable

REMOTE_TRACEBACK = "Traceback where it was raised:\n"


def describe(error: BaseException) -> Failure:
    """The record of ``error``: type, message, arguments that can cross the wire, traceback with those of its causes."""
    kind = type(error)
    return Failure(
        code=error.code if isinstance(error, BailiwickError) else "failed",
        type=f"{kind.__module__}:{kind.__qualname__}",
        message=scrub(_message(error)),
        arguments=_encode([scrub(value) if isinstance(value, str) else value for value in _arguments(error)]),
        facts=_encode(error.facts) if isinstance(error, BailiwickError) else b"",
        traceback=scrub("".join(traceback.format_exception(error))),
    )


def rebuild(failure: Failure, fallback: type[BailiwickError]) -> Exception:
    """An exception with the type, message and remote traceback of ``failure``, ready to raise.

    The type is taken only from modules this process has already imported, must be an `Exception`, and its ``__init__`` is not
    run unless it is a builtin: a record cannot make us import anything. What cannot be rebuilt becomes ``fallback`` with fact ``type``.
    """
    error = _rebuild_as(_known_type(failure.type), failure)
    if error is None:
        name = failure.type.partition(":")[2]
        error = fallback(f"{name}: {failure.message}" if failure.message else name, type=failure.type)
    if failure.traceback:
        error.add_note(REMOTE_TRACEBACK + failure.traceback.rstrip())
    return error


def _rebuild_as(kind: type[Exception] | None, failure: Failure) -> Exception | None:
    if kind is None:
        return None
    arguments = cast(list[Any], codec.decode(failure.arguments)) if failure.arguments else []
    try:
        if kind.__module__ == "builtins":
            error = kind(*arguments)
        else:
            error = kind.__new__(kind, *arguments)
            error.args = tuple(arguments)
        if isinstance(error, BailiwickError):
            error.message = failure.message
            error.facts = codec.decode(failure.facts, dict[str, Any]) if failure.facts else {}
        return error if str(error) == failure.message else None
    except (TypeError, ValueError, AttributeError):
        return None  # A class that needs more than its arguments is not rebuilt; the fallback says which it was.


def _known_type(path: str) -> type[Exception] | None:
    module, _, name = path.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failure:  # A broken `__str__` must not hide that the effect failed.
        return f"(its message cannot be read: {type(failure).__name__})"


def _arguments(error: BaseException) -> tuple[Any, ...]:
    """What makes the exception again: its ``args``, which for some builtin ones leave out a part, such as a file's name."""
    return cast(tuple[Any, ...], error.__reduce__()[1]) if isinstance(error, OSError | UnicodeError) else error.args


def _encode(value: object) -> bytes:
    try:
        return codec.encode(value)
    except Unencodable:
        return b""
