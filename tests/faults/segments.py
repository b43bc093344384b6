"""What tests of segments share: something to record, and looking at what became of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bailiwick.ledger import Ledger, Segment
from bailiwick.ledger.backends.sqlite import SqliteLedger, SqliteReader
from bailiwick.testing.ledger_records import intent, outcome, seal


async def work(ledger: Ledger, numbers: range) -> None:
    """Three entries for each number: the intent alone, then the outcome with a seal."""
    for number in numbers:
        ledger.append(intent(number, arguments=b"argument %d" % number))
        await ledger.barrier()
        ledger.append(outcome(number, value=b"value %d" % number), seal(number % 2, b"state %d" % number))
        await ledger.barrier()


def segments(path: Path) -> list[Segment]:
    """The files of the ledger at ``path``."""
    reader = reading(path)
    try:
        return list(reader.segments())
    finally:
        asyncio.run(reader.close())


def reading(path: Path) -> SqliteReader:
    """Somebody who looks at it."""
    found = SqliteLedger.open(path, read_only=True)
    assert isinstance(found, SqliteReader)
    return found


def asides(path: Path) -> list[Path]:
    """What is in the folder of its segments."""
    return sorted(path.with_suffix(".segments").iterdir())
