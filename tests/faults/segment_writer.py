"""Run as a program: writes twelve effects to the ledger at a path, in segments of eight entries, and is killed by itself when the
writing thread comes to a line of `rotation` for the first time.

Arguments: the path, and the line's place among those that putting a file aside goes through. Each line on standard output is the
number of an effect whose intent is durable; the last one, ``end``, says that there were not so many lines.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from bailiwick.ledger.backends.sqlite import SqliteLedger, rotation
from bailiwick.testing.ledger_records import intent, outcome, seal

EFFECTS = 12
SEGMENT_ENTRIES = 8


def die_at(place: int) -> None:
    """Kill this process in front of the line of `rotation` that is reached as number ``place`` in the writing thread."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename != rotation.__file__:
            return None
        if event == "line":
            count += 1
            if count == place:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)


async def main(path: Path) -> None:
    ledger = SqliteLedger.open(path, segment_entries=SEGMENT_ENTRIES)
    for number in range(EFFECTS):
        ledger.append(intent(number, arguments=b"%d" % number))
        await ledger.barrier()
        os.write(1, b"%d\n" % number)
        ledger.append(outcome(number), seal(number % 2, b"%d" % number))
    await ledger.barrier()
    await ledger.close()
    os.write(1, b"end\n")


if __name__ == "__main__":
    die_at(int(sys.argv[2]))
    asyncio.run(main(Path(sys.argv[1])))
