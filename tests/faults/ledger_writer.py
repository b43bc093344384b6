"""Run as a program: 50 producers append to the ledger named on the command line, until somebody kills the process.

Each line on standard output, ``SEQ NUMBER``, acknowledges one effect: its intent stands at SEQ and was durable before the line was
written. The first line says that the ledger is open.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path

from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import intent, outcome, seal

PRODUCERS = 50


async def main(path: Path) -> None:
    ledger = SqliteLedger.open(path)
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
    asyncio.run(main(Path(sys.argv[1])))
