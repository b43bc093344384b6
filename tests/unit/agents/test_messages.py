"""Messages are exactly once in effect: also those nobody waits for, and those that were taken back."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from bailiwick import Agent, Handle, action, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import Status
from bailiwick.errors import DeadlineExceeded, Refused
from bailiwick.ledger import Ledger
from bailiwick.testing import run
from tests.worlds import NotedLedger, bare_world, copy_of, intents, outcome_of, within

done: Counter[str] = Counter()


@tool(effect="idempotent")
async def post(letter: str) -> str:
    done[letter] += 1
    return letter


@tool(effect="pure")
async def dawdle() -> None:
    await asyncio.sleep(100)


class Office(Agent):
    letters: list[str] = []

    @action
    async def take(self, letter: str) -> None:
        await asyncio.sleep(1)
        self.letters.append(await self.use(post, letter))

    @action
    async def read(self) -> list[str]:
        return sorted(self.letters)

    @action
    async def drag_on(self) -> str:
        self.letters.append("begun")
        await self.use(dawdle)
        return "never"


class Sender(Agent):
    sent: int = 0

    @action
    async def send(self, office: Handle[Office], letter: str) -> None:
        """Ends before the letter is taken."""
        await office.oneway.take(letter)
        self.sent += 1


async def correspondence(bw: Bailiwick) -> list[str]:
    office, sender = await bw.launch(Office), await bw.launch(Sender)
    for letter in ("a", "b", "c"):
        await sender.send(office, letter)
    await asyncio.sleep(10)
    return await office.read()


async def impatience(bw: Bailiwick) -> list[Any]:
    office = await bw.launch(Office)
    found: list[Any] = []
    try:
        await asyncio.wait_for(office.drag_on(), 5)
    except TimeoutError:
        found.append("gave up")
    try:
        await asyncio.wait_for(bw.use(dawdle), 5)
    except TimeoutError:
        found.append("gave up again")
    try:
        await office.within(timedelta(seconds=3)).drag_on()
    except DeadlineExceeded:
        found.append("too late")
    await office.take("z")
    return [*found, await office.read()]


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


def test_a_letter_nobody_waits_for_arrives_once_wherever_a_crash_strikes() -> None:
    ledger = NotedLedger()
    assert whole(correspondence, ledger) == ["a", "b", "c"]
    for length in ledger.ends[1:]:
        assert resumed(correspondence, copy_of(ledger, first=length)) == ["a", "b", "c"], f"cut after entry {length}"


def test_a_letter_is_on_record_before_it_is_sent() -> None:
    ledger = NotedLedger()
    whole(correspondence, ledger)
    taken = intents(ledger, "Office.take")
    assert [intent.oneway for intent in taken] == [True] * 3


def test_a_question_that_was_taken_back_stays_taken_back() -> None:
    ledger = NotedLedger()
    result = whole(impatience, ledger)
    assert result == ["gave up", "gave up again", "too late", ["begun", "begun", "z"]]
    first, _ = intents(ledger, "Office.drag_on")
    withdrawn = outcome_of(ledger, first)
    assert withdrawn is not None
    assert withdrawn.status is Status.CANCELLED
    for length in ledger.ends[1:]:
        found = resumed(impatience, copy_of(ledger, first=length))
        assert found[:3] == result[:3], f"cut after entry {length}"
        assert found[3][-1] == "z"


def test_what_cleans_up_after_an_interruption_does_not_take_the_place_of_what_comes_next() -> None:
    ledger = NotedLedger()
    refused: list[type[BaseException]] = []

    async def main(bw: Bailiwick) -> list[str]:
        found = [await bw.use(post, "first")]
        try:
            await asyncio.sleep(10 if not refused else 0)
        finally:
            try:
                found.append(await bw.use(post, "last words"))
            except BaseException as error:
                refused.append(type(error))
                raise
        return found

    async def interrupted() -> None:
        async with bare_world(ledger) as bw:
            running = asyncio.ensure_future(bw.run(main, name="main"))
            await asyncio.sleep(5)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    run(interrupted())
    assert [error.__name__ for error in refused] == ["Stopping"]
    assert not intents(ledger, "post")[1:]

    async def again() -> Any:
        async with bare_world(copy_of(ledger, first=ledger.head().seq)) as bw:
            return await bw.resume(main, name="main")

    assert run(again()) == ["first", "last words"]


def test_a_run_that_left_something_in_doubt_does_nothing_more() -> None:
    calls: list[int] = []

    @tool(effect="irreversible")
    async def pay(amount: int) -> None:
        calls.append(amount)
        if amount == 1:
            await asyncio.sleep(100)

    async def main(bw: Bailiwick) -> None:
        try:
            await bw.use(pay, 1)
        except Exception:
            await bw.use(pay, 2)

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Refused):
            await bw.run(main, name="main")

    within(scenario)
    assert not calls
