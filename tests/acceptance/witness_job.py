"""Run as a program: agents that have a witness do things of every class, many at a time, until they are through or somebody kills them.

``witness_job.py HOME URL ADDRESS JOB AGENTS STEPS``: begins the job of that name, or goes on with it; without a URL the record is in
SQLite. The last line of output is what the job found, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from bailiwick import NOT_HAPPENED, Agent, Bailiwick, Charter, Happened, IdempotencyKey, Rule, action, compensable, tool
from bailiwick.bailiff import load, open_bailiwick
from bailiwick.effects import Unanswered
from bailiwick.errors import NotFound
from bailiwick.testing import WitnessClient

CHARTER = Charter(allow=(Rule(),))


@tool(effect="read")
async def look(address: str, what: str) -> int:
    """Told again, it would be another number."""
    return await WitnessClient(address).look()


@tool(effect="idempotent")
async def order(address: str, what: str, saw: int, key: IdempotencyKey) -> int:
    """Done once for each key."""
    return await WitnessClient(address).perform(what, key=key, saw=saw)


async def was_it_paid(address: str, what: str) -> Happened[int] | Unanswered:
    """What the witness has in its book."""
    serial = await WitnessClient(address).find(what)
    return NOT_HAPPENED if serial is None else Happened(serial)


@tool(effect="irreversible", probe=was_it_paid)
async def pay(address: str, what: str, saw: int) -> int:
    """Done as often as it is asked for; the witness can be asked."""
    return await WitnessClient(address).perform(what, saw=saw)


async def take_down(address: str, what: str) -> None:
    """Harmless where nothing is up."""
    await WitnessClient(address).take_back(what)


@tool(effect=compensable(undo=take_down))
async def put_up(address: str, what: str, saw: int) -> int:
    """Done as often as it is asked for; can be taken back."""
    return await WitnessClient(address).perform(what, saw=saw)


@tool(effect="irreversible")
async def sign(address: str, what: str, saw: int) -> int:
    """Done as often as it is asked for; only a person can find out."""
    return await WitnessClient(address).perform(what, saw=saw)


ACTS = (order, pay, put_up, sign)


class Clerk(Agent):
    """Takes one step after the other; in each it looks, and then does four things at once that go by what it saw."""

    taken: int = 0
    total: int = 0

    @action
    async def work(self, address: str, job: str, steps: int) -> list[int]:
        """So many steps."""
        for step in range(steps):
            place = f"{job}/{self.name}/{step}"
            saw = await self.use(look, address, f"{place}/look")
            done = await asyncio.gather(*(self.use(act, address, f"{place}/{act.name}", saw) for act in ACTS))
            self.total += sum(done)
            self.taken += 1
        return [self.taken, self.total]


async def main(bw: Bailiwick, address: str, job: str, agents: int, steps: int) -> list[list[int]]:
    """All agents at once."""
    clerks = [await bw.launch(Clerk, name=f"clerk{number}") for number in range(agents)]
    return await asyncio.gather(*(clerk.work(address, job, steps) for clerk in clerks))


async def go(home: str, url: str, address: str, job: str, agents: int, steps: int) -> list[list[int]]:
    """Begin the job, or go on with it."""
    settings = load(home=home, charter=CHARTER, ledger="postgres" if url else "sqlite", postgres_url=url)
    async with open_bailiwick(settings) as bw:
        try:
            return await bw.resume(main, name=job)
        except NotFound:
            return await bw.run(main, address, job, agents, steps, name=job)


if __name__ == "__main__":
    home, url, address, job, agents, steps = sys.argv[1:]
    print(json.dumps(asyncio.run(go(home, url, address, job, int(agents), int(steps)))))
