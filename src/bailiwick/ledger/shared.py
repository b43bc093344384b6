"""Records that several hosts write, each a stream of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from bailiwick.ledger.chain import Head


class Stream(NamedTuple):
    """What one writer appends to: a chain of entries of its own."""

    name: str
    epoch: int
    """How often it was opened for writing; the writer that opened it last is the one that may append."""
    head: Head


class Shared(ABC):
    """A ledger that has streams."""

    @abstractmethod
    def streams(self) -> list[Stream]:
        """Every stream of the log, by name, as far as it is durable. Raises what `Ledger.entries` raises."""
