"""The one place that knows how much of a budget is left, where many hosts spend it; see `bailiwick.grants.escrow`."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from bailiwick.clock import Clock
from bailiwick.errors import BadInput, OverBudget, Unavailable
from bailiwick.grants.budget import Budget
from bailiwick.grants.records import SliceExpired, SliceGranted, SliceRecord, SliceReturned


class Mint:
    """Gives out slices of ``total`` and takes back what was not spent of them.

    What was given out counts as spent until its host, or its host's record, says what was. So whatever hosts and networks do, all
    hosts together spend no more than ``total`` and what effects did cost beyond their estimates. `reconcile` alone depends on
    clocks: on every host's clock running no slower than this one's by more than ``skew`` in one ``lease``.

    ``note`` puts a record away before what it says is so; what it raises, that raises, and then nothing has changed.
    """

    def __init__(
        self,
        total: Budget,
        clock: Clock,
        *,
        lease: timedelta,
        skew: timedelta,
        note: Callable[[SliceRecord], None] | None = None,
        record: Iterable[SliceRecord] = (),
    ) -> None:
        """``record``: what was noted before a crash. The leases of slices that are out begin anew, as nobody knows when they began."""
        self._total = total.amounts()
        self._clock = clock
        self._lease = lease
        self._skew = skew
        self._note = note
        self.spent: Counter[str] = Counter()
        """By limit, in units: what hosts said, and what slices hold that expired."""
        self.out: Counter[str] = Counter()
        """By limit, in units: what hosts hold and may spend."""
        self._live: dict[str, SliceGranted] = {}
        self._expired: dict[str, SliceGranted] = {}
        self._said: dict[str, Counter[str]] = {}
        """By host and limit, in units: what it said that it spent."""
        self._ends: list[tuple[int, str]] = []
        for noted in record:
            self._apply(noted)

    def left(self, name: str) -> int:
        """How much of one limit may still be given out, in units."""
        return max(0, self._total[name] - self.spent[name] - self.out[name])

    def grant(self, host: str, slice_id: str, wanted: Mapping[str, int]) -> SliceGranted:
        """A slice of at most ``wanted``, less where there is less; ``slice_id`` is new, or that of a slice whose grant got lost on its
        way: then that slice as it is. Raises `OverBudget` where there is nothing of any of it."""
        self.expire()
        known = self._live.get(slice_id) or self._expired.get(slice_id)
        if known is not None and known.host == host:
            return known
        if known is not None:
            raise BadInput(f"slice {slice_id} was given to {known.host}, not to {host}", slice=slice_id)
        amounts = {name: min(amount, self.left(name)) for name, amount in wanted.items() if name in self._total and amount > 0}
        amounts = {name: amount for name, amount in amounts.items() if amount}
        if not amounts:
            raise OverBudget(f"nothing is left of {', '.join(wanted) or 'anything'}", resource=", ".join(wanted), limit=0, spent=0, held=0)
        granted = SliceGranted(id=slice_id, host=host, amounts=amounts, lease_s=self._lease.total_seconds(), at_ns=self._clock.now_ns())
        self._put(granted)
        return granted

    def take_back(self, returned: SliceReturned) -> None:
        """The host says what it spent and will spend no more of the slice. Said twice, or of a slice that is not out, it is nothing.

        Raises `BadInput` if it is another's slice.
        """
        granted = self._live.get(returned.id) or self._expired.get(returned.id)
        if granted is None:
            return
        if granted.host != returned.host:
            raise BadInput(f"slice {returned.id} was given to {granted.host}, not to {returned.host}", slice=returned.id)
        self._put(returned)

    def reconcile(self, host: str, spent: Mapping[str, int], who: str) -> None:
        """``who`` read in the record of a host that will not come back all that it ever spent, settled or else as it was estimated;
        what it held beyond that is free again. Raises `Unavailable` while a lease of the host lasts: it may be alive and spending."""
        self.expire()
        live = [end_ns for end_ns, slice_id in self._ends if slice_id in self._live and self._live[slice_id].host == host]
        if live:
            wait_s = (max(live) - self._clock.monotonic_ns()) / 1e9
            raise Unavailable(f"a lease of host {host} lasts {wait_s:.3g} s more: it may be alive and spending", retry_after_s=wait_s)
        unsaid = {name: max(0, amount - self._said.get(host, Counter())[name]) for name, amount in spent.items()}
        expired = sorted((granted for granted in self._expired.values() if granted.host == host), key=lambda granted: granted.id)
        for granted in expired:
            last = granted is expired[-1]
            of_this = {name: amount if last else min(amount, granted.amounts.get(name, 0)) for name, amount in unsaid.items()}
            unsaid = {name: amount - of_this[name] for name, amount in unsaid.items()}
            of_this = {name: amount for name, amount in of_this.items() if amount}
            self._put(SliceReturned(id=granted.id, host=host, spent=of_this, at_ns=self._clock.now_ns(), who=who))

    def expire(self) -> list[SliceExpired]:
        """Count as spent what is out and whose lease, with ``skew``, is over; return it. Called by all else here."""
        found: list[SliceExpired] = []
        now_ns = self._clock.monotonic_ns()
        while self._ends and self._ends[0][0] <= now_ns:
            granted = self._live.get(self._ends[0][1])
            if granted is not None:
                found.append(SliceExpired(id=granted.id, host=granted.host, at_ns=self._clock.now_ns()))
                self._put(found[-1])
            heapq.heappop(self._ends)
        return found

    def _put(self, record: SliceRecord) -> None:
        if self._note is not None:
            self._note(record)
        self._apply(record)

    def _apply(self, record: SliceRecord) -> None:
        match record:
            case SliceGranted():
                self._live[record.id] = record
                self.out.update(record.amounts)
                ends_ns = self._clock.monotonic_ns() + (self._lease + self._skew) // timedelta(microseconds=1) * 1_000
                heapq.heappush(self._ends, (ends_ns, record.id))
            case SliceExpired():
                granted = self._expired[record.id] = self._live.pop(record.id)
                self.out.subtract(granted.amounts)
                self.spent.update(granted.amounts)
            case SliceReturned():
                live = self._live.pop(record.id, None)
                if live is not None:
                    self.out.subtract(live.amounts)
                else:
                    self.spent.subtract(self._expired.pop(record.id).amounts)
                spent = {name: amount for name, amount in record.spent.items() if amount > 0}
                self.spent.update(spent)
                self._said.setdefault(record.host, Counter()).update(spent)
