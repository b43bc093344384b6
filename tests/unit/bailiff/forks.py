"""A small campaign whose decisions lead somewhere, and its record: what tests of replays and branches stand on."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from bailiwick import Agent, Bailiwick, Handle, action, tool
from bailiwick.bailiff import Recording, Settings
from bailiwick.errors import NotAllowed
from bailiwick.testing import run
from tests.worlds import KeptLedger, bare_world

acts: Counter[str] = Counter()
"""What really happened, counted by those who did it."""

NAME = "campaign"


@tool(effect="pure")
async def measure(number: int) -> int:
    acts["measure"] += 1
    await asyncio.sleep(((number * 7) % 5) / 100)
    if number == 13:
        raise ValueError("unlucky")
    return number * number


@tool(effect="read")
async def decide(best: int) -> str:
    """A stand-in for a model."""
    acts["decide"] += 1
    await asyncio.sleep(0.01)
    return "up" if best % 2 == 0 else "down"


@tool(effect="idempotent")
async def publish(text: str) -> int:
    acts["publish"] += 1
    return len(text)


@tool
async def launch_rocket() -> None:
    """Irreversible, as it does not say otherwise: the charter refuses it."""


class Assay(Agent):
    order: list[int] = []

    @action
    async def measure(self, number: int) -> int:
        value = await self.use(measure, number)
        self.order.append(number)  # In the order in which the measurements end.
        return value


class Thinker(Agent):
    best: int = 0

    @action(exclusive=True)
    async def think(self, number: int, assays: list[Handle[Assay]]) -> int:
        values = await asyncio.gather(*(assay.measure(number + i) for i, assay in enumerate(assays)))
        way = await self.use(decide, max(values))
        self.best = max(values) if way == "up" else self.best + 1
        await self.use(publish, f"{number}:{way}")
        try:
            await self.use(launch_rocket)
        except NotAllowed:
            return self.best
        raise AssertionError("the charter allowed it")

    @action
    async def order_of(self, assay: Handle[Assay]) -> int:
        return await assay.measure(13)


async def campaign(bw: Bailiwick, rounds: int) -> dict[str, Any]:
    assay = await bw.launch(Assay)
    thinker = await bw.launch(Thinker)
    best = [await thinker.think(number, [assay, assay, assay]) for number in range(rounds)]
    await asyncio.sleep(0.5)
    try:
        await thinker.order_of(assay)
    except ValueError as error:
        unlucky = str(error)
    try:
        await assay.within(timedelta(milliseconds=5)).measure(3)
    except Exception as error:
        late = type(error).__name__
    return {"best": best, "unlucky": unlucky, "late": late}


def recorded(main: Any = campaign, *args: Any, ledger: KeptLedger | None = None) -> tuple[KeptLedger, Any]:
    """The record of a run of ``main``, and what it returned."""
    kept = ledger or KeptLedger()

    async def whole() -> Any:
        async with bare_world(kept) as bw:
            return await bw.run(main, *args, name=NAME)

    return kept, run(whole())


def recording(ledger: KeptLedger, of: str = "") -> Recording:
    """The tree of the first run on ``ledger``."""
    return Recording(ledger, of or next(iter(ledger.entries())).record.run)  # type: ignore[union-attr]


def settings(**more: Any) -> Settings:
    return Settings(**{"home": "unused", "ledger": "memory", "workers": 1} | more)
