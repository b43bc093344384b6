"""Who signs the record: the key in ``home``, and the note beside the record of what was signed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from operator import attrgetter
from typing import NamedTuple

from bailiwick.bailiff.settings import Settings
from bailiwick.clock import Clock
from bailiwick.effects import Attestation
from bailiwick.errors import CorruptLedger, LedgerUnavailable
from bailiwick.gateway import Notary
from bailiwick.ledger import Ledger, Place, SigningKey, can_sign, holds, newest_attestation

_log = logging.getLogger(__name__)


class Vouching(NamedTuple):
    """How far the record is vouched for, without a look at what it holds; `bailiwick.ledger.prove` proves it."""

    possible: bool
    """Whether signatures can be made here. If not: ``pip install 'bailiwick[proof]'``."""
    newest: Attestation | None
    """The newest signature on record."""
    unsigned: int
    """How many entries follow what it covers, itself not counted."""
    anchored: dict[str, int]
    """By place: up to which entry. Those that `Settings.anchors` names, not the note beside the record."""
    problems: dict[str, str]
    """What cannot be read, and why."""


def vouching(settings: Settings, ledger: Ledger) -> Vouching:
    """How far ``ledger`` is vouched for. Reads back from its end to the newest signature, and what was kept elsewhere. Blocks."""
    anchored: dict[str, int] = {}
    problems: dict[str, str] = {}
    newest, length = None, ledger.head().seq
    try:
        newest = newest_attestation(ledger)
    except LedgerUnavailable as error:  # A segment is not here.
        problems["the newest signature"] = error.message
    for place in (Place(name) for name in settings.anchors):
        try:
            anchored[place.name] = max((anchor.seq for anchor in place.read().attestations), default=0)
        except OSError as error:
            problems[place.name] = error.strerror or str(error)
    return Vouching(can_sign(), newest, length if newest is None else length - newest.seq - 1, anchored, problems)


def notary_for(settings: Settings, ledger: Ledger, clock: Clock, anchors: Sequence[str]) -> Notary | None:
    """Who signs ``ledger``, and keeps the signatures in ``anchors``; None for one that is not kept, and, with a warning, where
    signatures cannot be made.

    Raises `CorruptLedger` if what was signed before is not there any more, `BadInput` if the key or a place for anchors cannot be used.
    """
    if settings.ledger == "memory":
        return None
    places = [Place(str(settings.anchor_path)), *(Place(name) for name in anchors)]
    _refuse_what_lost_its_end(ledger, places[0])
    if not can_sign():
        _say_unsigned()
        return None
    return Notary(ledger, SigningKey.load_or_create(settings.key_path), clock, places)


def _refuse_what_lost_its_end(ledger: Ledger, beside: Place) -> None:
    """An older copy would have done again what it does not know, and a history that was written anew would be signed with our key."""
    try:
        noted = beside.read().attestations
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerUnavailable(f"{beside.name}: cannot be read ({error.strerror})", path=beside.name) from error
    newest = max(noted, key=attrgetter("seq"), default=None)
    if newest is not None and not holds(ledger, newest):
        raise CorruptLedger(
            f"the record does not have entry {newest.seq} as it was signed: its end was cut off, it was written anew, or it is an older "
            f"copy, and what it lacks would be done again. Put the right one back; if this is the right one, move {beside.name} away",
            seq=newest.seq,
        )


@cache
def _say_unsigned() -> None:
    """Once in a process."""
    _log.warning("the record is chained but not signed: pip install 'bailiwick[proof]'")
