"""Records that are kept in several files: a full one is put aside, and the record goes on in a new one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple


class Segment(NamedTuple):
    """One file of a record."""

    first: int
    """The number of its first entry; of the file that is written, also if it has none yet."""
    last: int
    """The number of its last entry; ``first - 1`` if it has none."""
    path: Path
    size_bytes: int | None
    """None: the file is not here; somebody moved it away, or lost it."""
    chained_to: bytes
    """32 bytes: the hash of the entry before its first one."""


class Segmented(ABC):
    """A ledger that is kept in segments. Numbers and the chain go through all of them."""

    @abstractmethod
    def segments(self) -> Sequence[Segment]:
        """All of them in order; the last is the one that is written. Does not wait. Raises what `Ledger.entries` raises."""

    @abstractmethod
    async def rotate(self) -> bool:
        """Put the file that is written aside, and go on in a new one. False: it has no entries, or it could not be put aside now because
        others were reading it or its disk is full; then nothing changed.

        Raises `LedgerUnavailable`. A crash leaves the old file or the new one in use, and loses nothing.
        """

    @abstractmethod
    def on_rotation(self, call: Callable[[], None]) -> None:
        """Have ``call`` called, in the thread of the event loop, at the first use after a file was put aside."""
