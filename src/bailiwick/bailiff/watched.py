"""The record of a bailiwick that is open, for those who watch it: progress bars, reports, tests. Watching changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from bailiwick.gateway import Gateway
from bailiwick.ids import RunId
from bailiwick.ledger import Entry, Ledger


class Watched:
    """What stands on the record so far."""

    def __init__(self, ledger: Ledger, gateway: Gateway) -> None:
        self._ledger = ledger
        self._gateway = gateway

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The durable entries with numbers above ``after``."""
        return self._ledger.entries(after)

    async def barrier(self) -> None:
        """Return once all that is on record so far is durable, and so among `entries`. Raises `LedgerUnavailable`."""
        await self._gateway.barrier()

    def until(self) -> int:
        """The number of the newest entry."""
        return self._ledger.head().seq

    def newest(self, name: str) -> RunId | None:
        """The newest run called ``name``, under way or ended; None if there never was one."""
        return self._gateway.past.newest(name)
