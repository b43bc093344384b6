"""What a record says and what it carries: the payload stands beside the body, so that it can be erased and the chain still holds.

The body of an entry holds everything that proof and resumption go by: ids, positions, names, classes, times. What an effect was
given and what it returned, an agent's state, the words of an error: those are the payload. The chain covers a payload by its
*commitment*, SHA-256 over a random salt and the payload, which tells nothing about it once both are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, cast

from msgspec.structs import replace

from bailiwick.codec import decoder, encode
from bailiwick.effects import Attempt, Failure, Intent, Outcome, Planned, Record, Request, Ruling, Seal
from bailiwick.ids import SALT_BYTES, new_salt

NO_PAYLOAD = bytes(32)
"""The commitment of an entry that never had a payload."""

_decode: Callable[[bytes], Record] = decoder(Record)
_decode_failure: Callable[[bytes], Failure] = decoder(Failure)
_decode_asked: Callable[[bytes], tuple[bytes, tuple[Planned, ...]]] = decoder(tuple[bytes, tuple[Planned, ...]])


def split(record: Record) -> tuple[bytes, bytes]:
    """The body of ``record`` and its payload behind a fresh salt; the payload is empty where the record carries nothing.

    Raises `Unencodable`.
    """
    # Not by patterns, which take twice as long: this is on the path of every append.
    payload = b""
    if isinstance(record, Intent):
        payload = record.arguments
        if payload:
            record = replace(record, arguments=b"")
    elif isinstance(record, Outcome):
        if record.failure is not None:
            payload, record = encode(record.failure), replace(record, failure=None, value=b"")
        elif record.value:
            payload, record = record.value, replace(record, value=b"")
    elif isinstance(record, Seal):
        payload = record.state
        if payload:
            record = replace(record, state=b"")
    elif isinstance(record, Attempt) and record.failure is not None:
        payload, record = encode(record.failure), replace(record, failure=None)
    elif isinstance(record, Request):
        payload = encode((record.intent.arguments, record.plan))
        record = replace(record, intent=replace(record.intent, arguments=b""), plan=())
    elif isinstance(record, Ruling):
        payload, record = record.arguments, replace(record, arguments=b"")
    return encode(record), new_salt() + payload if payload else b""


def join(body: bytes, salted: bytes) -> Record:
    """The record that was `split`; what was erased is missing from it. Raises `BadInput` if the bytes hold no record."""
    record = _decode(body)
    if not salted:
        return record
    payload = salted[SALT_BYTES:]
    match record:
        case Intent():
            return replace(record, arguments=payload)
        case Outcome(status="done" | "cancelled"):
            return replace(record, value=payload)
        case Outcome() | Attempt():
            return replace(cast(Any, record), failure=_decode_failure(payload))
        case Seal():
            return replace(record, state=payload)
        case Request():
            arguments, plan = _decode_asked(payload)
            return replace(record, intent=replace(record.intent, arguments=arguments), plan=plan)
        case Ruling():
            return replace(record, arguments=payload)
        case _:
            return record


def commitment(salted: bytes) -> bytes:
    """What the chain holds of a payload, given with its salt; `NO_PAYLOAD` for an empty one."""
    return sha256(salted).digest() if salted else NO_PAYLOAD
