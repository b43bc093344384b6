"""Tries, and what is done where one did not answer (invariant 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from bailiwick import NOT_HAPPENED, UNKNOWN, Charter, Happened, IdempotencyKey, Retry, Rule, codec, compensable, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.effects import Attempt, Outcome, Settlement, Settler, Status, Tool
from bailiwick.errors import DeadlineExceeded, InDoubt, Refused, Unavailable
from bailiwick.gateway import MILESTONES
from bailiwick.gateway import perform as door
from bailiwick.testing import run
from tests.worlds import KeptLedger, NotedLedger, bare_world, copy_of, intents, outcome_of, records, within

EVERYTHING = Charter(allow=(Rule(),))
THRICE = Retry(attempts=3, first=timedelta(seconds=1))


def attempts(ledger: KeptLedger) -> list[Attempt]:
    return [record for record in records(ledger) if isinstance(record, Attempt)]


def failing(times: int, error: Callable[[], Exception], **declared: Any) -> tuple[Tool, list[float]]:
    """A tool that raises so many times before it answers; and when it was called."""
    called: list[float] = []

    @tool(**{"effect": "idempotent", "retry": THRICE, **declared})
    async def act() -> int:
        called.append(asyncio.get_running_loop().time())
        if len(called) <= times:
            raise error()
        return len(called)

    return act, called


def test_a_failure_worth_it_is_tried_again_later_and_every_try_is_on_record() -> None:
    act, called = failing(2, lambda: ConnectionError("gone"))
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        assert await bw.use(act) == 3

    within(scenario, ledger)
    assert [round(b - a) for a, b in pairwise(called)] == [1, 2]
    assert [(found.number, found.failure and found.failure.message) for found in attempts(ledger) if not found.begun] == [
        (2, "gone"),
        (3, "gone"),
    ]


def test_no_more_tries_than_allowed() -> None:
    act, called = failing(9, lambda: ConnectionError("gone"))

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(ConnectionError):
            await bw.use(act)

    within(scenario)
    assert len(called) == 3


@pytest.mark.parametrize("error", [ValueError("wrong"), Refused("no")])
def test_a_failure_that_would_only_repeat_itself_is_not_tried_again(error: Exception) -> None:
    act, called = failing(9, lambda: error)

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(type(error)):
            await bw.use(act)

    within(scenario)
    assert len(called) == 1


def test_what_must_not_be_repeated_is_tried_again_only_where_nothing_happened() -> None:
    unavailable, tried = failing(1, lambda: Unavailable("full", retry_after_s=7), effect="irreversible")
    broken, broke = failing(1, lambda: ConnectionError("gone"), effect="irreversible")

    async def scenario(bw: Bailiwick) -> None:
        assert await bw.use(unavailable) == 2
        with pytest.raises(ConnectionError):
            await bw.use(broken)

    within(scenario, charter=EVERYTHING)
    assert round(tried[1] - tried[0]) == 7
    assert len(broke) == 1


def test_a_try_that_takes_too_long_is_cancelled_and_counts() -> None:
    called: list[int] = []

    @tool(effect="read", retry=THRICE, deadline=timedelta(seconds=2))
    async def look() -> int:
        called.append(1)
        if len(called) < 3:
            await asyncio.sleep(60)
        return len(called)

    async def scenario(bw: Bailiwick) -> None:
        assert await bw.use(look) == 3

    within(scenario)


def test_an_irreversible_effect_that_missed_its_deadline_is_in_doubt_unless_its_probe_knows() -> None:
    book: list[str] = []

    @tool(effect="irreversible", deadline=timedelta(seconds=2))
    async def send(text: str) -> None:
        await asyncio.sleep(60)

    async def ask(text: str) -> Any:
        return Happened(len(book)) if text in book else NOT_HAPPENED

    @tool(effect="irreversible", deadline=timedelta(seconds=2), probe=ask)
    async def send_registered(text: str) -> int:
        book.append(text)
        await asyncio.sleep(60)
        return 0

    async def scenario(bw: Bailiwick) -> None:
        assert await bw.use(send_registered, "a") == 1
        with pytest.raises(InDoubt, match="bailiwick effects settle eff_"):
            await bw.use(send, "a")
        with pytest.raises(InDoubt):  # The run is stopped: going on would be guessing.
            await bw.use(send_registered, "b")

    within(scenario, charter=EVERYTHING)
    assert book == ["a"]


# After a crash


class World:
    """Something outside that a crash does not touch."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.undone: list[Any] = []
        self.crash = True


def cut_in_the_middle(act: Tool, world: World) -> KeptLedger:
    """What is on record when the process dies while ``act`` acts."""
    ledger = NotedLedger()

    async def main(bw: Bailiwick) -> Any:
        return await bw.use(act, 7)

    async def whole() -> None:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            await bw.run(main, name="main")

    run(whole())
    (intent,) = intents(ledger, act.name)
    return copy_of(ledger, first=next(seq for seq, record in enumerate(records(ledger), 1) if record == intent))


def resume(act: Tool, ledger: KeptLedger) -> Any:
    async def main(bw: Bailiwick) -> Any:
        return await bw.use(act, 7)

    async def step() -> Any:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            return await bw.resume(main, name="main")

    return run(step())


def test_a_retry_after_a_crash_has_the_same_idempotency_key() -> None:
    world = World()

    @tool(effect="idempotent")
    async def act(number: int, key: IdempotencyKey) -> int:
        world.keys.append(key)
        return number

    ledger = cut_in_the_middle(act, world)
    assert resume(act, ledger) == 7
    (intent,) = intents(ledger, "act")
    assert world.keys == [intent.id, intent.id]
    assert [(found.number, found.settlement.by) for found in attempts(ledger)] == [(2, Settler.RETRY)]


@pytest.mark.parametrize("effect", ["irreversible", "compensable"])
def test_an_effect_that_happened_is_not_done_again_if_its_probe_says_so(effect: str) -> None:
    world = World()

    def ask(number: int, key: IdempotencyKey) -> Any:
        return Happened(number * 2) if key in world.keys else NOT_HAPPENED

    def undo(number: int) -> None:
        world.undone.append(number)

    @tool(effect=compensable(undo=undo) if effect == "compensable" else effect, probe=ask)
    async def act(number: int, key: IdempotencyKey) -> int:
        world.keys.append(key)
        return number * 2

    ledger = cut_in_the_middle(act, world)
    assert resume(act, ledger) == 14
    assert len(world.keys) == 1
    outcome = outcome_of(ledger, intents(ledger, "act")[0])
    assert outcome is not None
    assert outcome.settlement is not None
    assert outcome.settlement.by is Settler.PROBE
    world.keys.clear()
    assert resume(act, cut_in_the_middle(act, world)) == 14
    world.keys.clear()
    again = copy_of(ledger, first=ledger.head().seq - 2)
    assert resume(act, again) == 14  # The world has forgotten it: it is done once more.
    assert len(world.keys) == 1


def test_what_may_have_happened_is_taken_back_before_it_is_done_again() -> None:
    world = World()

    def undo(number: int, result: int | None) -> None:
        world.undone.append((number, result))

    @tool(effect=compensable(undo=undo))
    async def act(number: int) -> int:
        world.keys.append("done")
        return number

    ledger = cut_in_the_middle(act, world)
    assert resume(act, ledger) == 7
    assert world.undone == [(7, None)]
    assert world.keys == ["done", "done"]
    (undone,) = intents(ledger, "undo act")
    assert undone.undoes == intents(ledger, "act")[0].id
    assert [found.settlement.by for found in attempts(ledger)] == [Settler.COMPENSATION]
    for length in range(ledger.head().seq - 4, ledger.head().seq):  # A crash around each entry of that.
        assert resume(act, copy_of(ledger, first=length)) == 7


@pytest.mark.parametrize("probe", [None, lambda number: UNKNOWN, lambda number: 1 / 0])
def test_nobody_but_a_person_decides_what_nobody_knows(probe: Any) -> None:
    world = World()

    @tool(effect="irreversible", probe=probe)
    async def act(number: int) -> int:
        world.keys.append("done")
        return number

    ledger = cut_in_the_middle(act, world)
    for _ in range(2):
        with pytest.raises(InDoubt):
            resume(act, ledger)
    assert world.keys == ["done"]
    (intent,) = intents(ledger, "act")

    async def settle(found: Outcome | Attempt) -> None:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            bw._gateway.settle(intent.id, found)

    by_hand = Settlement(by=Settler.PERSON, who="ada", why="looked")
    run(settle(Attempt(id=intent.id, number=2, begun=False, settlement=by_hand)))
    kept = copy_of(ledger, first=ledger.head().seq)
    assert resume(act, ledger) == 7
    assert world.keys == ["done", "done"]
    ledger = kept
    run(settle(Outcome(id=intent.id, status=Status.DONE, value=codec.encode(70), settlement=by_hand)))
    assert resume(act, ledger) == 70
    assert world.keys == ["done", "done"]
    with pytest.raises(Refused, match="nothing to settle"):
        run(settle(Outcome(id=intent.id, status=Status.DONE, value=codec.encode(71), settlement=by_hand)))


def test_deadline_exceeded_is_what_the_last_try_raises() -> None:
    @tool(effect="read", deadline=timedelta(seconds=1))
    async def look() -> None:
        await asyncio.sleep(60)

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(DeadlineExceeded, match="did not answer within"):
            await bw.use(look)

    within(scenario)


# Milestones


@tool(effect="pure")
async def nothing(number: int) -> int:
    return number


def test_what_is_needed_to_resume_is_read_from_the_newest_milestone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MILESTONE_ENTRIES", 20)
    read: list[int] = []

    class Counted(KeptLedger):
        def entries(self, after: int = 0) -> Any:
            found = list(super().entries(after))
            read.append(len(found))
            return iter(found)

    ledger = Counted()

    async def main(bw: Bailiwick) -> int:
        return sum([await bw.use(nothing, number) for number in range(100)])

    async def cut() -> None:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            running = asyncio.ensure_future(bw.run(main, name="main"))
            while ledger.head().seq < 150:
                await asyncio.sleep(0)
            running.cancel()

    run(cut())
    assert ledger.last_seal(MILESTONES) is not None
    read.clear()

    async def again() -> tuple[int, int]:
        async with bare_world(ledger, charter=EVERYTHING) as bw:
            return await bw.resume(main, name="main"), bw.purse.calls["nothing"]

    assert run(again()) == (4950, 100)
    assert max(read) <= 25
