"""What was taken back, known at every host within one message, and nothing admitted where a host may not have heard."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from datetime import timedelta

from bailiwick.clock import Clock
from bailiwick.effects import Revocation
from bailiwick.errors import BadInput, Revoked


class Revocations:
    """What this host knows to be revoked. It only ever grows.

    Whoever decides whether something may happen remembers `version` with its decision, and decides anew when that has changed: so when
    `apply` has returned, nothing is admitted any more that begins to be decided, in any thread. With a ``lease``, a host that was not told
    by `heard` for longer admits nothing: then a revocation may be under way to it.
    """

    def __init__(self, *, clock: Clock | None = None, lease: timedelta | None = None) -> None:
        """Without a ``lease`` this is where revocations are made, or all that there is: nobody else has to be heard from."""
        if lease is not None and clock is None:
            raise BadInput("a lease needs a clock")
        self.version = 1
        """Goes up with everything that is revoked."""
        self.leased = lease is not None
        self._clock = clock
        self._lease_ns = 0 if lease is None else round(lease.total_seconds() * 1e9)
        self._heard_until_ns = 0
        self._names: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    @property
    def names(self) -> Collection[str]:
        """All that is revoked: ids of grants, of blocks of tokens, of agents."""
        return self._names

    def apply(self, *records: Revocation) -> None:
        """They hold from now on. The same again changes nothing. Raises `BadInput` for one that names nothing; then none holds."""
        names = {name for record in records for name in names_of(record)}
        with self._lock:
            if names <= self._names:
                return
            # In this order: a version that is new was never seen with names that are old.
            self._names = self._names | names
            self.version += 1

    def heard(self, asked_ns: int | None = None) -> None:
        """Everything that was revoked until now has been applied. ``asked_ns``: when whoever knows was asked, by the monotonic clock, if
        not now: the lease runs from then, since what was revoked after the answer left is not in it."""
        if self._clock is not None:
            began_ns = self._clock.monotonic_ns() if asked_ns is None else asked_ns
            with self._lock:
                self._heard_until_ns = max(self._heard_until_ns, began_ns + self._lease_ns)

    def refuse_unheard(self) -> None:
        """Raises `Revoked` where nobody was heard from for longer than the lease."""
        if self.leased and self._clock is not None and self._clock.monotonic_ns() >= self._heard_until_ns:
            why = "nobody could be asked whether it was revoked: this host has not heard for too long"
            raise Revoked(f"the grant does not count now: {why}", why=why)

    def refuse(self, names: Iterable[str], *, grant: str, tool: str = "") -> None:
        """Raises `Revoked` if any of ``names`` is revoked."""
        for name in names:
            if name in self._names:
                raise Revoked(f"the grant was taken back ({name[:40]})", grant=grant, tool=tool, why=f"{name} is revoked")


def names_of(record: Revocation) -> tuple[str, ...]:
    """What it names. Raises `BadInput` if nothing: it would be taken for the revocation of something."""
    names = tuple(filter(None, (record.grant, record.block, record.agent)))
    if not names:
        raise BadInput("this revokes nothing: it names no grant, no block of a token and no agent")
    return names
