"""Runs that are sealed half way go on from there: by their own word, step by step, and under changed code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from bailiwick import Agent, action, loop, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import Intent, Kind, Seal
from bailiwick.errors import Refused, ReplayDiverged
from bailiwick.ids import run_of
from bailiwick.ledger import Ledger
from bailiwick.testing import run
from tests.worlds import NotedLedger, bare_world, copy_of, intents, records, within

done: Counter[int] = Counter()


@tool(effect="idempotent")
async def measure(number: int) -> int:
    done[number] += 1
    return number * 10


class Surveyor(Agent):
    round: int = 0
    total: int = 0

    @action
    async def by_its_own_word(self, rounds: int) -> int:
        while self.round < rounds:
            self.total += await self.use(measure, self.round)
            self.round += 1
            await self.seal()
        return self.total

    @action
    async def in_steps(self, rounds: int, every: int) -> int:
        base = await self.use(measure, 1000)
        async for number in self.steps(range(rounds), every=every):
            first, second = await asyncio.gather(self.use(measure, number), self.use(measure, number + 100))
            self.total += first + second
        return self.total + base

    @action
    async def twice_in_steps(self) -> None:
        for _ in range(2):
            async for _ in self.steps([1, 2]):
                pass

    @action
    async def waits_for_the_other(self, first: bool) -> None:
        await asyncio.sleep(5 if first else 1)
        self.total += 1
        await self.seal()


async def survey(bw: Bailiwick) -> int:
    return await (await bw.launch(Surveyor)).by_its_own_word(6)


async def walk(bw: Bailiwick) -> int:
    return await (await bw.launch(Surveyor)).in_steps(7, every=2)


async def stroll(bw: Bailiwick) -> list[int]:
    surveyor = await bw.launch(Surveyor)
    async for number in bw.steps(aiter_of(5), every=1):
        await surveyor.in_steps(number, every=1)
    return [await surveyor.in_steps(0, every=1)]


async def aiter_of(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


def whole(main: Any, ledger: Ledger) -> Any:
    async def step() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.run(main)

    return run(step())


def resumed(main: Any, ledger: Ledger) -> Any:
    async def step() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.resume(main)

    return run(step())


@pytest.mark.parametrize("main", [survey, walk, stroll])
def test_wherever_a_crash_strikes_a_sealed_run_ends_as_if_there_had_been_none(main: Any) -> None:
    ledger = NotedLedger()
    result = whole(main, ledger)
    for length in ledger.ends[1:]:
        assert resumed(main, copy_of(ledger, first=length)) == result, f"cut after entry {length}"


@pytest.mark.parametrize(("main", "behind"), [(survey, 5), (walk, 6)])
def test_what_was_sealed_is_not_gone_through_again(main: Any, behind: int) -> None:
    ledger = NotedLedger()
    whole(main, ledger)
    last_seal = max(seq for seq, record in enumerate(records(ledger), 1) if isinstance(record, Seal) and record.runs)
    done.clear()
    asked = len(intents(copy := copy_of(ledger, first=last_seal), "measure"))
    resumed(main, copy)
    assert not [number for number in done if number < behind]
    assert len(intents(copy, "measure")) >= asked


def test_a_run_is_sealed_with_its_place_and_its_agents_state() -> None:
    ledger = NotedLedger()
    whole(survey, ledger)
    (asked,) = intents(ledger, "Surveyor.by_its_own_word")
    seals = [record for record in records(ledger) if isinstance(record, Seal) and record.runs]
    assert [seal.runs[run_of(asked.id)].asked for seal in seals] == [1, 2, 3, 4, 5, 6]


def test_two_runs_that_seal_wait_for_each_other() -> None:
    ledger = NotedLedger()

    async def both(bw: Bailiwick) -> None:
        surveyor = await bw.launch(Surveyor)
        await asyncio.gather(surveyor.waits_for_the_other(True), surveyor.waits_for_the_other(False))

    whole(both, ledger)
    seals = [record for record in records(ledger) if isinstance(record, Seal) and record.runs]
    assert len(seals[0].runs) == 2
    for length in ledger.ends[1:]:
        resumed(both, copy_of(ledger, first=length))


def test_a_run_has_one_loop_of_steps() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Refused, match="one loop of steps"):
            await (await bw.launch(Surveyor)).twice_in_steps()

    within(scenario)


class Patient(Agent):
    counted: int = 0

    @loop
    async def count(self, shutdown: asyncio.Event) -> None:
        while not shutdown.is_set():
            self.counted += 1
            await self.use(measure, self.counted)
            await asyncio.sleep(1)

    @action
    async def look(self) -> int:
        return self.counted


async def patience(bw: Bailiwick) -> int:
    patient = await bw.launch(Patient)
    await asyncio.sleep(200)
    return await patient.look()


def test_a_loop_that_never_seals_is_sealed_now_and_then() -> None:
    ledger = NotedLedger()
    counted = whole(patience, ledger)
    seals = [record for record in records(ledger) if isinstance(record, Seal) and b"counted" in record.state]
    assert len(seals) >= counted // 64


def test_after_a_migration_positions_begin_with_its_generation() -> None:
    ledger = NotedLedger()
    whole(survey, ledger)
    seals = [(seq, record) for seq, record in enumerate(records(ledger), 1) if isinstance(record, Seal) and record.runs]
    seq, seal = seals[2]
    copy = copy_of(ledger, first=seq + 2)  # One effect more than was sealed.
    copy.append(replace(seal, runs={run: replace(entry, generation=1) for run, entry in seal.runs.items()}))
    assert resumed(survey, copy) == 150
    assert [intent.position for intent in intents(copy, "measure")] == ["1", "2", "3", "4", "g1.4", "g1.5", "g1.6"]


versions: list[int] = []


class Versioned(Agent):
    changed: bool = False

    @action
    async def go(self) -> str:
        await self.use(measure, 1)
        if NEW_CODE:
            versions.append(self.version("cheaper"))
            await self.use(measure, 3 if versions[-1] >= 1 else 2)
        else:
            await self.use(measure, 2)
        await asyncio.sleep(1)
        return "done"


NEW_CODE = False


async def versioned(bw: Bailiwick) -> str:
    return await (await bw.launch(Versioned)).go()


def test_a_change_in_the_code_applies_to_runs_that_have_not_come_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = NotedLedger()
    whole(versioned, ledger)
    monkeypatch.setitem(globals(), "NEW_CODE", True)
    measured = [seq for seq, record in enumerate(records(ledger), 1) if isinstance(record, Intent) and record.tool == "measure"]
    before, past_it = copy_of(ledger, first=measured[0] + 1), copy_of(ledger, first=measured[1] + 1)
    versions.clear()
    assert resumed(versioned, past_it) == "done"
    assert versions == [0]
    assert resumed(versioned, before) == "done"
    assert versions == [0, 1]
    assert [intent.kind for intent in intents(before, "cheaper")] == [Kind.VERSION]
    again = copy_of(before, first=before.head().seq - 3)
    assert resumed(versioned, again) == "done"
    assert versions == [0, 1, 1]


def test_code_that_changed_under_a_run_is_told_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = NotedLedger()
    whole(versioned, ledger)
    last = max(seq for seq, record in enumerate(records(ledger), 1) if isinstance(record, Intent) and record.tool == "measure")

    async def other(self: Versioned) -> str:
        await self.use(measure, 7)
        return "other"

    monkeypatch.setattr(Versioned, "go", action(other))
    monkeypatch.delattr(Versioned, "__bailiwick_blueprint__")
    with pytest.raises(ReplayDiverged, match=r"asks .*7.* where the record holds .*1.*bailiwick runs migrate run_"):
        resumed(versioned, copy_of(ledger, first=last))


class Halting(Agent):
    total: int = 0

    @action
    async def add(self, numbers: list[int]) -> int:
        for number in numbers:
            self.total += 1
            self.total += await self.use(measure, number)
        return self.total


async def halting(bw: Bailiwick) -> int:
    return await (await bw.launch(Halting)).add([1, 2, 3])


def test_what_a_run_that_was_stopped_had_half_changed_is_not_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = NotedLedger()
    assert whole(halting, ledger) == 63
    second = intents(ledger, "measure")[1]
    cut = copy_of(ledger, first=next(seq for seq, record in enumerate(records(ledger), 1) if record == second))
    monkeypatch.setattr(measure, "name", "renamed")  # The code changed: the run stops half way, and its host closes in good order.
    with pytest.raises(ReplayDiverged):
        resumed(halting, cut)
    monkeypatch.undo()
    assert resumed(halting, cut) == 63
