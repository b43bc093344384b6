from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from bailiwick import Agent, action, event, loop, timer
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import Seal
from bailiwick.errors import BadInput, NoSuchAgent
from tests.worlds import KeptLedger, records, within


class Clockwork(Agent):
    ticks: int = 0
    rung: int = 0
    beats: int = 0
    ended: bool = False

    async def on_startup(self) -> None:
        self.bell = asyncio.Event()

    @loop
    async def beat(self, shutdown: asyncio.Event) -> None:
        while not shutdown.is_set():
            self.beats += 1
            await asyncio.sleep(10)
            await self.seal()

    @timer(timedelta(seconds=5))
    async def tick(self) -> None:
        self.ticks += 1

    @event("bell")
    async def on_bell(self) -> None:
        self.rung += 1

    @action
    async def ring(self) -> None:
        self.bell.set()

    @action
    async def look(self) -> tuple[int, int, int]:
        return self.ticks, self.rung, self.beats

    async def on_shutdown(self) -> None:
        self.ended = True


def test_timers_events_and_loops_run_by_the_clock() -> None:
    async def scenario(bw: Bailiwick) -> None:
        clockwork = await bw.launch(Clockwork)
        await asyncio.sleep(21)
        await clockwork.ring()
        await asyncio.sleep(0.1)
        assert await clockwork.look() == (4, 1, 3)

    within(scenario)


def test_each_tick_is_sealed_with_its_number() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        await bw.launch(Clockwork)
        await asyncio.sleep(11)

    within(scenario, ledger)
    seals = [record for record in records(ledger) if isinstance(record, Seal)]
    assert {"tick": 2} in [seal.ticks for seal in seals]


def test_an_agent_shuts_down_in_good_order() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        clockwork = await bw.launch(Clockwork)
        await clockwork.shutdown()

    within(scenario, ledger)
    last = [record for record in records(ledger) if isinstance(record, Seal)][-1]
    assert b"ended\xc3" in last.state


class Doomed(Agent):
    @loop
    async def watch(self, shutdown: asyncio.Event) -> None:
        await asyncio.sleep(1)
        raise ValueError("the end")

    @action
    async def look(self) -> None: ...


def test_a_loop_that_raises_stops_its_agent_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(bw: Bailiwick) -> None:
        doomed = await bw.launch(Doomed)
        await doomed.look()
        await asyncio.sleep(2)
        with pytest.raises(NoSuchAgent, match="its loop `watch` raised ValueError: the end"):
            await doomed.look()

    with caplog.at_level(logging.ERROR, logger="bailiwick"):
        within(scenario)
    assert "the end" in caplog.text


def test_a_timer_needs_a_duration() -> None:
    with pytest.raises(BadInput, match="timedelta"):
        timer(5)  # type: ignore[arg-type]
