"""What comes back after a crash besides results: agents launched by agents, loops, streams that nobody followed to the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bailiwick import Agent, Handle, action, codec, timer, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import Kind, Status
from bailiwick.errors import Refused
from bailiwick.ledger import Ledger
from bailiwick.testing import run
from tests.worlds import NotedLedger, bare_world, copy_of, intents, records, within

done: Counter[str] = Counter()


@tool(effect="pure")
async def work(label: str) -> str:
    done[label] += 1
    return label.upper()


class Child(Agent):
    calls: int = 0

    @action
    async def call(self) -> int:
        self.calls += 1
        return self.calls

    async def on_shutdown(self) -> None:
        await self.use(work, "last words")


class Parent(Agent):
    child: Handle[Child] | None = None
    born_by_timer: Handle[Child] | None = None

    async def on_startup(self) -> None:
        self.first = await self.launch(Child, name="of startup")

    @timer(timedelta(seconds=1))
    async def tick(self) -> None:
        if self.born_by_timer is None:
            self.born_by_timer = await self.launch(Child, name="of timer")

    @action(exclusive=True)
    async def breed(self) -> None:
        self.child = await self.launch(Child, name="of action")

    @action
    async def call_all(self) -> list[int]:
        assert self.child is not None
        assert self.born_by_timer is not None
        return [await each.call() for each in (self.first, self.child, self.born_by_timer)]

    @action
    async def stream(self) -> AsyncIterator[int]:
        for number in range(1000):
            yield number


async def family(bw: Bailiwick) -> list[Any]:
    parent = await bw.launch(Parent)
    await parent.breed()
    await asyncio.sleep(1.5)
    results: list[Any] = [await parent.call_all()]
    seen: list[int] = []
    async for number in (stream := parent.stream()):
        seen.append(number)
        if number == 3:
            break
    await stream.aclose()
    await parent.oneway.call_all()
    await asyncio.sleep(0.1)
    results += [seen, await parent.call_all(), await bw.use(work, "end")]
    return results


def cut_and_resume(ledger: Ledger, length: int) -> list[Any]:
    async def step() -> Any:
        async with bare_world(copy_of(ledger, first=length)) as bw:
            return await bw.resume(family)

    return run(step())


def test_agents_that_agents_launched_come_back_wherever_a_crash_strikes() -> None:
    ledger = NotedLedger()

    async def whole() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.run(family)

    results = run(whole())
    assert results == [[1, 1, 1], [0, 1, 2, 3], [3, 3, 3], "END"]
    last = next(seq for seq, record in enumerate(records(ledger), 1) if getattr(record, "kind", None) is Kind.TOOL)
    for length in ledger.ends:
        if length <= last:
            assert cut_and_resume(ledger, length) == results, f"cut after entry {length}"


def test_a_stream_that_nobody_followed_to_its_end_is_on_record_as_taken_back_with_what_it_had_yielded() -> None:
    ledger = NotedLedger()

    async def whole() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.run(family)

    run(whole())
    (asked,) = intents(ledger, "Parent.stream")
    past = ledger.find(asked.id)
    assert past is not None
    assert past.outcome is not None
    assert past.outcome.status is Status.CANCELLED
    assert codec.decode(past.outcome.value, list[int])[:4] == [0, 1, 2, 3]


def test_last_words_are_effects_too() -> None:
    ledger = NotedLedger()

    async def scenario(bw: Bailiwick) -> None:
        await (await bw.launch(Child)).shutdown()

    within(scenario, ledger)
    assert len(intents(ledger, "work")) == 1


def test_a_tool_may_not_ask_agents_or_use_tools() -> None:
    async def scenario(bw: Bailiwick) -> None:
        child = await bw.launch(Child)

        @tool(effect="read")
        async def nosy(how: str) -> int:
            if how == "task":
                return await asyncio.ensure_future(child.call())
            return await (child.call() if how == "ask" else bw.use(work, "inside"))

        for how in ("ask", "use", "task"):
            with pytest.raises(Refused, match="a tool may not use tools"):
                await bw.use(nosy, how)

    within(scenario)
