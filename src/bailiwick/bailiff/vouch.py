"""Signing the record's head on demand, and keeping the signature elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bailiwick.bailiff.opening import open_record, read_ledger
from bailiwick.bailiff.settings import Settings
from bailiwick.clock import Clock
from bailiwick.effects import Attestation
from bailiwick.errors import BadInput, LedgerUnavailable, NotFound
from bailiwick.ledger import Place, can_sign, newest_attestation


class Vouched(NamedTuple):
    """What `vouch` did."""

    attestation: Attestation
    """The newest signature on record, durable."""
    writer: str
    """Who is writing the record, so that nothing could be signed now; empty if it is signed up to its end."""
    problems: dict[str, str]
    """The places that did not take it, and why."""


async def vouch(settings: Settings, places: Sequence[Place], clock: Clock) -> Vouched:
    """Sign the record up to its end, unless another process writes it, and put the newest signature in each of ``places``.

    Raises `NotFound` if nothing is recorded or, where nothing can be signed now, nothing is signed yet; else what `open_record` does.
    """
    if not can_sign():
        raise BadInput("signatures need cryptography, which is not installed: pip install 'bailiwick[proof]'")
    writer = await _sign(settings, clock)
    reader = read_ledger(settings)
    try:
        attestation = newest_attestation(reader)
        if attestation is not None and attestation.seq == reader.head().seq - 1:
            writer = ""  # Whoever writes has signed all there is.
    finally:
        await reader.close()
    if attestation is None:
        wait = f": {writer} is writing the record, and signs it within a minute and when it ends" if writer else ": the record is empty"
        raise NotFound(f"nothing is signed yet{wait}")
    problems: dict[str, str] = {}
    for place in places:
        try:
            place.put(attestation)
        except OSError as error:
            problems[place.name] = error.strerror or str(error)
    return Vouched(attestation, writer, problems)


async def _sign(settings: Settings, clock: Clock) -> str:
    """Who writes the record, if that is why it could not be signed."""
    try:
        async with open_record(settings, clock):
            return ""  # It is signed when it is closed.
    except LedgerUnavailable as error:
        if "pid" in error.facts:
            return f"process {error.facts['pid']}"
        if "stream" in error.facts:
            return f"whoever has the stream `{error.facts['stream']}`"
        raise
