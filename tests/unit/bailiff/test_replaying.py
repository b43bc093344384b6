"""A replay goes through the code again and reaches the world nowhere (invariant 2)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bailiwick import Agent, Bailiwick, action, loop, timer, tool
from bailiwick.bailiff import Recording, Step, replay
from bailiwick.errors import EndOfRecord, NotFound, Refused, ReplayDiverged
from bailiwick.testing import run
from tests.unit.bailiff.forks import NAME, Assay, Thinker, acts, campaign, measure, publish, recorded, recording, settings
from tests.worlds import KeptLedger, bare_world, copy_of, records


def test_a_replay_comes_to_the_same_and_does_nothing() -> None:
    ledger, value = recorded(campaign, 4)
    before, head = dict(acts), ledger.head()
    steps: list[Step] = []
    replayed = replay(settings(), recording(ledger), campaign, steps.append)
    assert replayed.reproduced, replayed.why
    assert replayed.ended
    assert acts == before
    assert ledger.head() == head
    assert replayed.outcome is not None
    assert replayed.outcome.value == records(ledger)[-1].value  # type: ignore[union-attr]
    assert value["late"] == "DeadlineExceeded"
    assert {step.tool for step in steps} >= {"measure", "decide", "publish", "launch_rocket", "Thinker.think", "Assay", NAME}
    assert all(step.same for step in steps)
    outcomes = [step.seq for step in steps if step.kind == "tool" and step.seq]
    assert outcomes == sorted(outcomes)


def test_a_replay_keeps_the_order_in_which_things_happened() -> None:
    """Three measurements are under way at a time, and end in another order than they began; the agent's state shows it."""

    async def main(bw: Bailiwick) -> list[int]:
        assay = await bw.launch(Assay)
        await asyncio.gather(*(assay.measure(number) for number in range(12)))
        return bw.discover(Assay)[0]._host.residents[assay.agent_id].agent.order  # type: ignore[attr-defined]

    ledger, order = recorded(main)
    assert order != sorted(order)
    replayed = replay(settings(), recording(ledger), main)
    assert replayed.reproduced, replayed.why


def test_every_beginning_of_a_run_can_be_replayed() -> None:
    """Wherever a crash cut the record: the replay goes as far as it goes, and says so."""
    whole, _ = recorded(campaign, 2)
    last = whole.head().seq
    for first in range(1, last):
        part = copy_of(whole, first=first)
        before = dict(acts)
        replayed = replay(settings(), recording(part), campaign)
        assert replayed.reproduced, (first, replayed.why)
        assert not replayed.ended
        assert acts == before


def test_a_run_that_was_cut_off_and_resumed_is_replayed_whole() -> None:
    whole, _ = recorded(campaign, 3)
    for first in range(5, whole.head().seq, 11):
        part = copy_of(whole, first=first)
        run(_resumed(part))
        replayed = replay(settings(), recording(part), campaign)
        assert replayed.reproduced, (first, replayed.why)
        assert replayed.ended


async def _resumed(ledger: KeptLedger) -> Any:
    async with bare_world(ledger) as bw:
        return await bw.resume(campaign, name=NAME)


def test_changed_code_stops_the_replay_with_both_questions() -> None:
    ledger, _ = recorded(campaign, 2)

    async def changed(bw: Bailiwick, rounds: int) -> None:
        await bw.launch(Thinker)

    with pytest.raises(ReplayDiverged, match=r"spawn .*Thinker.*where the record holds .*Assay.*runs migrate") as raised:
        replay(settings(), recording(ledger), changed)
    assert raised.value.facts["position"] == "1"


def test_code_that_swallows_errors_does_not_hide_where_the_record_ends() -> None:
    async def main(bw: Bailiwick, more: bool) -> int:
        try:
            return await bw.use(publish, "more") if asked else 0
        except Exception:
            return 0

    asked = False
    ledger, _ = recorded(main, False)
    asked = True
    with pytest.raises(EndOfRecord, match=r"publish.*not on record") as raised:
        replay(settings(), recording(ledger), main)
    assert raised.value.facts["position"] == "1"


def test_what_is_asked_no_more_is_named() -> None:
    ledger, _ = recorded(campaign, 1)

    async def main(bw: Bailiwick, rounds: int) -> dict[str, Any]:
        await bw.launch(Assay)
        return {}

    replayed = replay(settings(), recording(ledger), main)
    assert not replayed.reproduced
    assert "root" in replayed.why
    assert replayed.ended


def test_an_agent_that_answers_otherwise_is_named() -> None:
    offset = 0

    class Adding(Agent):
        @action
        async def add(self, number: int) -> int:
            return await self.use(measure, number) + offset

    globals()["Adding"] = Adding
    Adding.__qualname__ = "Adding"

    async def main(bw: Bailiwick) -> None:
        adding = await bw.launch(Adding)
        await adding.add(2)

    ledger, _ = recorded(main)
    offset = 1
    replayed = replay(settings(), recording(ledger), main)
    assert not replayed.reproduced
    assert "Adding.add" in replayed.why


def test_timers_tick_in_recorded_time_and_threads_are_waited_for() -> None:
    async def main(bw: Bailiwick) -> int:
        slow = asyncio.create_task(bw.use(measure, 4))
        total = 0
        async with asyncio.timeout(3600):
            for number in range(3):
                await asyncio.sleep(100)
                total += await bw.use(measure, number)
        total += await asyncio.to_thread(lambda: 1000)
        return total + await slow

    ledger, value = recorded(main)
    assert value == 1000 + 5 + 16
    assert replay(settings(), recording(ledger), main).reproduced


def test_a_session_or_an_unknown_run_cannot_be_replayed() -> None:
    ledger, _ = recorded(campaign, 1)
    with pytest.raises(NotFound, match="runs ls"):
        Recording(ledger, "run_00000000000000000000000000000000")

    async def whole() -> None:
        async with bare_world(ledger) as bw, bw.session():
            await bw.use(publish, "x")

    run(whole())
    session = records(ledger)[-1].id  # type: ignore[union-attr]
    with pytest.raises(Refused, match="session"):
        replay(settings(), Recording(ledger, f"run_{session[4:]}"), campaign)


def test_a_replay_may_begin_at_a_seal() -> None:
    @tool(effect="idempotent")
    async def write(text: str) -> int:
        acts[text] += 1
        return len(text)

    class Sealing(Agent):
        number: int = 0

        @action
        async def work(self) -> int:
            while self.number < 6:
                await self.use(write, f"w{self.number}")
                self.number += 1
                await self.seal()
            return self.number

    globals()["Sealing"] = Sealing
    Sealing.__qualname__ = "Sealing"

    async def main(bw: Bailiwick) -> int:
        return await (await bw.launch(Sealing)).within(timedelta(hours=1)).work()

    ledger, _ = recorded(main)
    found = recording(ledger)
    seals = [seq for seq, seal in found.seals if seal.runs]
    for seal in (seals[0], seals[3], seals[-1]):
        steps: list[Step] = []
        replayed = replay(settings(), found, main, steps.append, seal_seq=seal)
        assert replayed.reproduced, (seal, replayed.why)
        assert [step.position for step in steps if step.tool == "write"] == [str(n) for n in range(seals.index(seal) + 2, 7)]


class Ticking(Agent):
    ticks: int = 0
    looked: int = 0

    @timer(timedelta(seconds=1))
    async def tick(self) -> None:
        self.ticks += await self.use(measure, 1)

    @loop
    async def watch(self, shutdown: asyncio.Event) -> None:
        while not shutdown.is_set():
            self.looked = await self.use(measure, 2)
            await asyncio.sleep(1)

    @action
    async def count(self) -> int:
        return self.ticks


async def ticking(bw: Bailiwick) -> int:
    agent = await bw.launch(Ticking)
    await asyncio.sleep(5.5)
    return await agent.count()


def test_timers_are_replayed_and_control_loops_are_said_not_to_be() -> None:
    ledger, value = recorded(ticking)
    assert value == 5
    steps: list[Step] = []
    replayed = replay(settings(), recording(ledger), ticking, steps.append)
    assert replayed.reproduced, replayed.why
    assert replayed.apart == 6
    assert len([step for step in steps if step.tool == "measure"]) == 5


def test_a_replay_that_waits_for_what_never_comes_says_so() -> None:
    waits = False

    async def main(bw: Bailiwick) -> int:
        agent = await bw.launch(Ticking)
        await asyncio.sleep(2.5)
        if waits:
            await asyncio.Event().wait()
        return await agent.count()

    ledger, _ = recorded(main)
    waits = True
    with pytest.raises(EndOfRecord, match="not on record"):
        replay(settings(), recording(ledger), main)
