"""Invariant 2: the past is read, never redone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bailiwick import Agent, Handle, action, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.errors import NotAllowed, NotFound, ReplayDiverged
from bailiwick.ledger import Ledger, verify
from bailiwick.testing import run
from tests.worlds import KeptLedger, NotedLedger, bare_world, copy_of, intents, outcome_of, records

done: Counter[str] = Counter()


@tool(effect="pure")
async def work(label: str) -> str:
    done[label] += 1
    return label.upper()


@tool(effect="pure")
async def fail(label: str) -> str:
    done[label] += 1
    raise ValueError(label)


@tool
async def launch_rocket() -> None:
    """Irreversible, as it does not say otherwise."""


class Counting(Agent):
    total: int = 0
    seen: list[str] = []

    @action(exclusive=True)
    async def add(self, label: str) -> int:
        self.seen.append(await self.use(work, label))
        self.total += 1
        return self.total

    @action
    async def add_loosely(self, label: str) -> int:
        self.total += 1
        mine = self.total
        await self.use(work, f"{label}{mine}")
        return mine

    @action
    async def shaky(self) -> str:
        try:
            return await self.use(fail, "shaky")
        except ValueError as error:
            return await self.use(work, f"after {error}")

    @action
    async def grow(self, name: str) -> Handle[Counting]:
        child = await self.launch(Counting, name=name, total=100)
        await child.add(name)
        return child

    @action
    async def words(self, count: int) -> AsyncIterator[str]:
        for number in range(count):
            yield await self.use(work, f"word {number}")

    @action
    async def look(self) -> tuple[int, list[str]]:
        return self.total, self.seen


async def campaign(bw: Bailiwick, size: int) -> list[Any]:
    first = await bw.launch(Counting, name="first")
    second = await bw.launch(Counting, name="second")
    results: list[Any] = [await bw.use(work, "start")]
    results += await asyncio.gather(*(first.add(f"g{number}") for number in range(size)))
    results += await asyncio.gather(*(second.add_loosely("loose") for _ in range(size)))

    async def later(number: int) -> str:
        await asyncio.sleep(size - number)  # The last created is the first to act.
        return await bw.use(work, f"later {number}")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(later(number)) for number in range(size)]
    results += [task.result() for task in tasks]
    results.append(await second.shaky())
    child = await first.grow("child")
    results += [await child.look(), await first.look(), await second.look()]
    results += [word async for word in first.words(3)]
    with pytest.raises(NotAllowed):
        await bw.use(launch_rocket)
    return results


async def with_ledger(ledger: Ledger, step: Callable[[Bailiwick], Awaitable[Any]]) -> Any:
    async with bare_world(ledger) as bw:
        return await step(bw)


def whole_run(size: int = 3) -> tuple[NotedLedger, list[Any]]:
    ledger = NotedLedger()
    results = run(with_ledger(ledger, lambda bw: bw.run(campaign, size)))
    return ledger, results


def test_a_finished_run_is_read_from_the_record() -> None:
    ledger, results = whole_run()
    before, entries = done.copy(), len(records(ledger))
    assert run(with_ledger(ledger, lambda bw: bw.resume(campaign))) == results
    assert done == before
    assert len(records(ledger)) == entries


def test_a_run_cut_after_any_entry_resumes_to_the_same_end() -> None:
    """Every crash there can be: the record ends after each append in turn."""
    ledger, results = whole_run()
    effects = {record.id for record in records(ledger) if hasattr(record, "id")}
    for length in ledger.ends[:-1]:
        cut = copy_of(ledger, first=length)
        settled = {r.id for r in records(cut) if hasattr(r, "status")}
        before = done.copy()
        assert run(with_ledger(cut, lambda bw: bw.resume(campaign))) == results, f"cut after entry {length}"
        assert {record.id for record in records(cut) if hasattr(record, "id")} == effects, f"cut after entry {length}"
        redone = done - before
        assert sum(redone.values()) == len([e for e in intents(ledger, "work") + intents(ledger, "fail") if e.id not in settled])
        verify(cut.entries())


def test_a_run_that_crashes_again_and_again_still_ends_the_same() -> None:
    ledger, results = whole_run()
    cut = ledger
    for progress in range(5, 60, 5):
        noted = NotedLedger()
        for record in records(cut)[: cut.ends[progress]]:
            noted.append(record)
        assert run(with_ledger(noted, lambda bw: bw.resume(campaign))) == results
        cut = noted


def test_positions_do_not_depend_on_which_task_runs_first() -> None:
    async def order(bw: Bailiwick, delays: list[float]) -> None:
        async def one(number: int, delay: float) -> None:
            await asyncio.sleep(delay)
            await bw.use(work, f"task {number}")
            await asyncio.gather(bw.use(work, f"{number} left"), bw.use(work, f"{number} right"))

        await asyncio.gather(*(one(number, delay) for number, delay in enumerate(delays)))

    positions: list[dict[bytes, str]] = []
    for delays in ([0.1, 0.2, 0.3], [0.3, 0.1, 0.2]):
        ledger = KeptLedger()
        run(with_ledger(ledger, lambda bw, delays=delays: bw.run(order, delays)))
        positions.append({intent.arguments: intent.position for intent in intents(ledger, "work")})
    assert positions[0] == positions[1]
    assert set(positions[0].values()) == {"1/1", "1/2", "1/3", "2/1", "2/2", "2/3", "3/1", "3/2", "3/3"}


def test_a_replay_that_asks_a_different_question_shows_both() -> None:
    question = "first"

    async def fickle(bw: Bailiwick) -> None:
        await bw.use(work, question)
        raise asyncio.CancelledError  # As when a person interrupts it: the run stays open.

    ledger = KeptLedger()
    with pytest.raises(asyncio.CancelledError):
        run(with_ledger(ledger, lambda bw: bw.run(fickle)))
    question = "second"
    with pytest.raises(ReplayDiverged) as caught:
        run(with_ledger(ledger, lambda bw: bw.resume(fickle)))
    assert '"first"' in caught.value.facts["recorded"]
    assert '"second"' in caught.value.facts["asked"]
    assert caught.value.facts["position"] == "1"


def test_state_that_changed_outside_effects_is_a_defect_when_it_is_rebuilt() -> None:
    outside = Counter(asked=0)

    class Impure(Agent):
        total: int = 0

        @action
        async def add(self) -> int:
            outside["asked"] += 1
            self.total += outside["asked"]
            return self.total

        @action
        async def wait(self) -> None:
            await asyncio.Event().wait()

    async def script(bw: Bailiwick) -> None:
        impure = await bw.launch(Impure)
        waiting = asyncio.ensure_future(impure.wait())  # Half done: so `add` cannot be sealed.
        await asyncio.sleep(0)
        await impure.add()
        waiting.cancel()
        raise asyncio.CancelledError

    ledger = KeptLedger()
    with pytest.raises(asyncio.CancelledError):
        run(with_ledger(ledger, lambda bw: bw.run(script)))
    answered = records(ledger).index(outcome_of(ledger, intents(ledger, "Impure.add")[0]))  # type: ignore[arg-type]
    with pytest.raises(ReplayDiverged, match="depends on something that is not an effect"):
        run(with_ledger(copy_of(ledger, first=answered + 1), lambda bw: bw.resume(script)))


def test_there_must_be_something_to_resume() -> None:
    with pytest.raises(NotFound, match="nothing to resume"):
        run(with_ledger(KeptLedger(), lambda bw: bw.resume(campaign)))
