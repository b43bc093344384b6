"""Our side of the experiment that counts duplicates: ``bailiwick run peer_bailiwick.py ADDRESS EFFECTS HOW``.

``HOW`` is what the other side offers: a ``key`` under which it does things once, a ``probe`` that says what it did, or ``neither``.
"""

from __future__ import annotations

from bailiwick import NOT_HAPPENED, Agent, Bailiwick, Happened, IdempotencyKey, action, tool
from bailiwick.effects import Unanswered
from bailiwick.testing import WitnessClient


@tool(effect="idempotent")
async def with_key(address: str, what: str, key: IdempotencyKey) -> int:
    """An effect that the other side does once for each key."""
    return await WitnessClient(address).perform(what, key=key)


async def did_it_happen(address: str, what: str) -> Happened[int] | Unanswered:
    """What the other side has in its book."""
    serial = await WitnessClient(address).find(what)
    return NOT_HAPPENED if serial is None else Happened(serial)


@tool(effect="irreversible", probe=did_it_happen)
async def with_probe(address: str, what: str) -> int:
    """An effect that the other side does as often as it is asked, and that it can be asked about."""
    return await WitnessClient(address).perform(what)


@tool(effect="irreversible")
async def with_neither(address: str, what: str) -> int:
    """An effect that the other side does as often as it is asked; only a person can find out."""
    return await WitnessClient(address).perform(what)


TOOLS = {"key": with_key, "probe": with_probe, "neither": with_neither}


class Worker(Agent):
    """Has one thing done after the other."""

    @action
    async def work(self, address: str, effects: int, how: str) -> int:
        """So many effects."""
        for number in range(effects):
            await self.use(TOOLS[how], address, f"effect {number}")
        return effects


async def main(bw: Bailiwick, address: str, effects: int, how: str) -> int:
    """The job."""
    worker = await bw.launch(Worker)
    return await worker.work(address, effects, how)
