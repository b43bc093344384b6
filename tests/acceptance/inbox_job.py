"""A process that wants to pay, and waits for people: ``python -m tests.acceptance.inbox_job SECONDS``.

It goes through a door made of the parts that a gateway has (``tests.unit.bailiff.waiting``), over a record in a file.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bailiwick import codec
from bailiwick.bailiff import load
from bailiwick.bailiff.desk import outsiders
from bailiwick.charter import Approval
from bailiwick.errors import Rejected
from tests.unit.bailiff.waiting import intent, open_door

PAY = intent(1, to="Zoë", amount=700)


async def main(within_s: float) -> None:
    async with open_door(load(), admit=outsiders) as door:
        try:
            await door.perform(PAY, Approval(tool="pay", name="big payments", within_s=within_s))
        except Rejected as error:
            Path("rejected.txt").write_text(error.message, "utf-8")
            return
        for paid in door.acted:
            with Path("paid.txt").open("a", encoding="utf-8") as file:
                file.write(f"{codec.to_json(codec.decode(paid.arguments))}\n")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
