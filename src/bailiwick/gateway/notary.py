"""The notary: signs the record's head now and then, and keeps the signatures in a second place (invariant 8)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from bailiwick.clock import Clock
from bailiwick.effects import Attestation
from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import Ledger, Place, Segmented, SigningKey, attest

INTERVAL_ENTRIES = 4_096
"""The head is signed each time so many entries were appended."""

INTERVAL = timedelta(minutes=1)
"""No entry waits longer than this for a signature that covers it, unless the process is killed."""

PATIENCE = timedelta(seconds=5)
"""How long `Notary.close` waits for a place that does not answer."""

_log = logging.getLogger(__name__)


class AnchorStanding(NamedTuple):
    """How it is with one place for anchors."""

    place: str
    upto: int
    """Up to which entry this process has anchored there; 0: not yet."""
    problem: str
    """Why the newest anchor could not be put there; empty if all is well."""


class Standing(NamedTuple):
    """How far the notary is."""

    signed: int
    """Up to which entry this process has signed; 0: not yet."""
    anchors: tuple[AnchorStanding, ...]


class Notary:
    """Signs the head every 4,096 entries, every minute in which something was appended, with the first entry after a file of the record
    was put aside, and at the end; then anchors each signature.

    Signatures stand on the record like everything else. A crash loses none that is on record; what was appended after the last
    one is signed by whoever opens the record next. A place for anchors that fails or hangs is logged once, seen in `standing`, and
    tried again with the next signature; it stops nobody. All methods belong to one event loop.
    """

    def __init__(
        self,
        ledger: Ledger,
        key: SigningKey,
        clock: Clock,
        places: Sequence[Place] = (),
        *,
        every_entries: int = INTERVAL_ENTRIES,
        every: timedelta = INTERVAL,
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._places = [_Kept(place, ledger) for place in places]
        self._every_entries = every_entries
        self._every = every
        self._left = every_entries
        # `note` looks closer once fewer than this are left: at the first append after a signature, to set the timer; then at the last.
        self._heed = every_entries
        self._timer: asyncio.Task[None] | None = None
        self._newest_at = _signed_at(ledger)
        self._signed = 0
        if isinstance(ledger, Segmented):
            ledger.on_rotation(self._sign_next)

    def note(self, appended: int) -> None:
        """So many entries were just appended; sign if that is due. Raises `LedgerUnavailable` as `Ledger.append` does."""
        self._left -= appended
        if self._left < self._heed:
            self._due()

    def sign(self) -> Attestation | None:
        """Put a signature over the head on record, and have it anchored; None if nothing was appended since the last one.

        Returns before it is durable. Raises `LedgerUnavailable`.
        """
        self._left = self._every_entries
        head = self._ledger.head()
        if head.seq == self._newest_at:
            return None
        attestation = attest(self._key, head, self._clock.now_ns())
        self._newest_at = self._ledger.append(attestation)
        self._signed = head.seq
        for kept in self._places:
            kept.take(attestation)
        return attestation

    @property
    def standing(self) -> Standing:
        """How far it is, and how it is with the places."""
        return Standing(self._signed, tuple(AnchorStanding(kept.place.name, kept.upto, kept.problem) for kept in self._places))

    async def close(self) -> None:
        """Sign what is not signed yet, and return once that is durable and anchored; a place that hangs is left after 5 s.

        The ledger stays open. Raises `LedgerUnavailable`.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.sign()
        await self._ledger.barrier()
        if self._places:
            await asyncio.wait([asyncio.ensure_future(kept.settled(PATIENCE)) for kept in self._places])

    def _sign_next(self) -> None:
        self._left = 0

    def _due(self) -> None:
        if self._left <= 0:
            self.sign()
        if self._timer is None:
            self._timer = asyncio.ensure_future(self._in_time())
        self._heed = 1

    async def _in_time(self) -> None:
        await self._clock.sleep(self._every)
        self._timer, self._heed = None, self._every_entries
        with suppress(LedgerUnavailable):  # Whoever appends next is told, and so is whoever closes.
            self.sign()


class _Kept:
    """One place, what is to be put there, and how it went."""

    def __init__(self, place: Place, ledger: Ledger) -> None:
        self.place = place
        self.upto = 0
        self.problem = ""
        self._ledger = ledger
        self._waiting: list[Attestation] = []
        self._task: asyncio.Task[None] | None = None
        self._logged = False

    def take(self, attestation: Attestation) -> None:
        self._waiting.append(attestation)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._export())

    async def settled(self, patience: timedelta) -> None:
        """Return once all is put there, or failed, or ``patience`` is over."""
        if self._task is None or self._task.done():
            return
        _, late = await asyncio.wait([self._task], timeout=patience.total_seconds())
        if late:
            self._task.cancel()
            self._failed(f"it did not answer for {patience.total_seconds():.0f} s")

    async def _export(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                await self._ledger.barrier()  # What is anchored must never be ahead of the record.
                for attestation in waiting:
                    await _in_a_thread(partial(self.place.put, attestation))
                    self.upto = attestation.seq
                self.problem = ""
            except LedgerUnavailable:
                return  # Whoever appends next is told.
            except OSError as error:
                self._failed(error.strerror or str(error))

    def _failed(self, problem: str) -> None:
        self.problem = problem
        if not self._logged:
            self._logged = True
            _log.warning(
                "anchors cannot be put in %s (%s): until they can, nobody can tell if the end of the record is cut off",
                self.place.name,
                problem,
            )


def _signed_at(ledger: Ledger) -> int:
    """The number of the newest entry if it is a signature; 0 if it is not, or there is none."""
    last = ledger.head().seq
    for entry in ledger.entries(last - 1):
        if entry.seq == last and isinstance(entry.record, Attestation):
            return last
    return 0


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Not in the loop's executor, whose threads a program waits for when it ends: a hung disk would keep it from ending."""
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=run, name="bailiwick-anchors", daemon=True).start()
    await asyncio.wrap_future(done)
