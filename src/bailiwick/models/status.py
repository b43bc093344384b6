"""What a server's status says in our terms: did it happen, and may I try again?"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Any, cast

import msgspec

from bailiwick.errors import BadInput, BailiwickError, Refused, Unavailable
from bailiwick.models.http import Answer

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""The server says that it did nothing, and nothing more is wrong than the moment."""

UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding bytes that are not the JSON that was promised may raise."""

_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_WRONG = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_SHOWN = 300
"""How many characters of a server's own words an error repeats."""

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")


def error_of(answer: Answer, server: str, now_ns: int, scrub: Callable[[str], str]) -> BailiwickError | None:
    """The error that ``answer`` is, if it is one; with the fact ``status``, and ``retry_after_s`` where the server names a time.

    ``scrub`` takes secrets out of what the server says.
    """
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    said = _shown(scrub(server_message(answer.body)))
    text = f"the model server at {server} answered {status}" + (f": {said}" if said else "")
    if status in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait_s = retry_after_s(answer.headers, now_ns)
        return Unavailable(text, status=status, sent=True, **({} if wait_s is None else {"retry_after_s": wait_s}))
    if status < HTTPStatus.BAD_REQUEST:
        place = answer.headers.get("Location", "an address it does not name")
        return BadInput(
            f"the model server at {server} redirects to {_shown(scrub(place))}; give the right address as the url", status=status
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return Refused(f"{text}; it wants an API key, or does not accept this one", status=status)
    return (BadInput if status in _WRONG else Refused)(text, status=status)


def server_message(body: bytes) -> str:
    """What the server says in its own words: the message in its JSON if there is one, else all of it."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = body.decode(errors="replace")
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = cast(dict[str, Any], found)[name]
    return found if isinstance(found, str) else msgspec.json.encode(found).decode()


def retry_after_s(headers: Mapping[str, str], now_ns: int) -> float | None:
    """Seconds to wait, from ``Retry-After`` (RFC 9110 §10.2.3: seconds or a date); None where it is missing or makes no sense."""
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_ns / 1e9)


def _shown(text: str) -> str:
    """One line, printable: what a server sends may end up on a terminal."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
