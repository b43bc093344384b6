"""Run as a program: 50 producers append to the ledger named on the command line (a file, or the URL of a database), until somebody
kills the process.

Each line on standard output, ``SEQ NUMBER``, acknowledges one effect: its intent stands at SEQ and was durable before the line was
written. The first line says that the ledger is open.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import intent, outcome, seal

PRODUCERS = 50


def opened(place: str, *, read_only: bool = False) -> Ledger:
    """The ledger at a path or a URL."""
    if not place.startswith("postgresql:"):
        return SqliteLedger.open(Path(place), read_only=read_only)
    from bailiwick.ledger.backends.postgres import PostgresLedger

    return PostgresLedger.open(place, read_only=read_only)


async def main(place: str) -> None:
    ledger = opened(place)
    numbers = itertools.count(ledger.head().seq)
    os.write(1, b"open\n")

    async def produce() -> None:
        while True:
            number = next(numbers)
            seq = ledger.append(intent(number, arguments=bytes(number % 700)))
            await ledger.barrier()
            os.write(1, b"%d %d\n" % (seq, number))
            ledger.append(outcome(number), seal(number % 7, b"%d" % number))

    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
