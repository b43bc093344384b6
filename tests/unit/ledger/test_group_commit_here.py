"""Small batches on a fast medium, which the event loop's own thread writes, beside those that the writing thread does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import group_commit
from bailiwick.ledger.group_commit import SMALL, GroupCommit, Medium
from bailiwick.ledger.pace import Pace
from bailiwick.testing.virtual_clock import VirtualClock, run


@pytest.fixture(autouse=True)
def nothing_comes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not asked for is not done before the test has ended."""
    monkeypatch.setattr(group_commit, "LINGER", timedelta(hours=1))


class Steady(Pace):
    """Says what the test wants, whatever the machine is doing."""

    def __init__(self, *, short: bool = True) -> None:
        super().__init__()
        self.short = short

    @property
    def is_short(self) -> bool:
        return self.short


class Fickle(Pace):
    """Says something else each time."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    @property
    def is_short(self) -> bool:
        self._asked += 1
        return self._asked % 2 == 0


class Ink(Medium[int]):
    """Remembers what was written, and by whom. Two at once are an error."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.here: list[bool] = []
        self.loops_thread = threading.get_ident()
        self.error: BaseException | None = None
        self.chores = 0
        self.tidied_here: list[bool] = []
        self.released = 0
        self.let_go = threading.Event()
        self.after_failure = 0
        self._busy = threading.Lock()

    def write(self, items: list[int]) -> int:
        assert self._busy.acquire(blocking=False)
        try:
            if self.error is not None:
                self.after_failure += 1
                raise self.error
            self.batches.append(items)
            self.here.append(threading.get_ident() == self.loops_thread)
            return items[-1]
        finally:
            self._busy.release()

    def tidy(self, *, last: bool) -> None:
        assert self._busy.acquire(blocking=False)
        self.chores = 0
        self.tidied_here.append(threading.get_ident() == self.loops_thread)
        self._busy.release()

    def untidy(self) -> bool:
        return self.chores > 0

    def release(self) -> None:
        self.released += 1
        self.let_go.set()

    def order(self) -> list[int]:
        return [seq for batch in self.batches for seq in batch]


Scenario = Callable[[GroupCommit[int]], Awaitable[None]]


def on(ink: Ink, scenario: Scenario, *, pace: Pace | None = None, max_batch: int | None = None) -> None:
    async def whole() -> None:
        commits = GroupCommit(ink, durable_seq=0, pace=pace or Steady(), max_batch=max_batch)
        try:
            await scenario(commits)
        finally:
            await commits.close()

    asyncio.run(whole())


async def append(commits: GroupCommit[int], seq: int) -> None:
    commits.put(seq)
    await commits.wait(seq)


def test_all_who_come_in_one_turn_of_the_loop_share_one_write_by_its_own_thread() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        await asyncio.gather(*(append(commits, seq) for seq in range(1, SMALL + 1)))
        await append(commits, SMALL + 1)
        assert ink.batches == [list(range(1, SMALL + 1)), [SMALL + 1]]
        assert ink.here == [True, True]

    on(ink, scenario)


def test_others_in_the_loop_go_on_before_the_write_begins() -> None:
    ink = Ink()
    seen: list[int] = []

    async def scenario(commits: GroupCommit[int]) -> None:
        asyncio.get_running_loop().call_soon(lambda: seen.append(len(ink.batches)))
        await append(commits, 1)
        assert seen == [0]

    on(ink, scenario)


def test_what_is_too_much_for_the_loop_is_left_to_the_writing_thread() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in range(1, SMALL + 2):
            commits.put(seq)
        await commits.wait(SMALL + 1)
        await asyncio.gather(*(append(commits, seq) for seq in range(SMALL + 2, 5 * SMALL)))

    on(ink, scenario)
    assert ink.order() == list(range(1, 5 * SMALL))
    assert not ink.here[0]
    assert all(len(batch) <= SMALL for batch, here in zip(ink.batches, ink.here, strict=True) if here)


def test_on_a_slow_medium_the_loop_writes_nothing() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in range(1, 20):
            await append(commits, seq)

    on(ink, scenario, pace=Steady(short=False))
    assert ink.order() == list(range(1, 20))
    assert not any(ink.here)


def test_entries_keep_their_order_whoever_writes() -> None:
    ink = Ink()

    async def producer(commits: GroupCommit[int], numbers: list[int]) -> None:
        while numbers[0] < 3_000:
            numbers[0] += 1
            mine = numbers[0]
            commits.put(mine)
            if mine % 3:
                await commits.wait(mine)
                assert commits.durable_seq >= mine
            else:
                await asyncio.sleep(0)

    async def scenario(commits: GroupCommit[int]) -> None:
        numbers = [0]
        await asyncio.gather(*(producer(commits, numbers) for _ in range(40)))

    on(ink, scenario, pace=Fickle())
    assert ink.order() == sorted(ink.order())
    assert set(ink.order()) == set(range(1, len(ink.order()) + 1))
    assert set(ink.here) == {True, False}


def test_while_the_other_thread_is_at_an_errand_the_loop_neither_writes_nor_waits_for_it() -> None:
    ink = Ink()
    begun, let = threading.Event(), threading.Event()

    def errand() -> str:
        begun.set()
        assert let.wait(10)
        return "done"

    async def scenario(commits: GroupCommit[int]) -> None:
        between = asyncio.create_task(commits.between(errand))
        await asyncio.to_thread(begun.wait, 10)
        wait = asyncio.create_task(append(commits, 1))
        for _ in range(5):
            await asyncio.sleep(0)
        assert ink.batches == []
        assert not wait.done()
        let.set()
        await wait
        assert await between == "done"
        assert ink.here == [False]

    on(ink, scenario)


def test_a_bound_on_batches_is_kept_here_too() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        await asyncio.gather(*(append(commits, seq) for seq in range(1, 8)))
        assert ink.batches == [[1, 2, 3], [4, 5, 6], [7]]
        assert all(ink.here)

    on(ink, scenario, max_batch=3)


def test_a_cancelled_wait_takes_nothing_back_and_disturbs_nobody() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        goes = asyncio.create_task(append(commits, 1))
        stays = asyncio.create_task(append(commits, 2))
        await asyncio.sleep(0)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        await stays
        assert ink.order() == [1, 2]

    on(ink, scenario)


@pytest.mark.parametrize("error", [LedgerUnavailable("no space", path="here"), RuntimeError("a bug")], ids=["foreseen", "unforeseen"])
def test_a_write_that_fails_here_fails_everyone_and_nothing_is_written_after_it(error: Exception) -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        await append(commits, 1)
        ink.error = error
        results = await asyncio.gather(*(append(commits, seq) for seq in (2, 3, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [LedgerUnavailable] * 3
        assert len({id(result) for result in results}) == 3
        assert str(error) in str(results[0])
        assert commits.durable_seq == 1
        ink.error = None
        commits.put(5)
        with pytest.raises(LedgerUnavailable):
            await commits.wait(5)
        with pytest.raises(LedgerUnavailable):
            await commits.between(lambda: None)
        assert await asyncio.to_thread(ink.let_go.wait, 10)

    on(ink, scenario)
    assert ink.batches == [[1]]
    assert ink.after_failure == 1
    assert ink.released == 1
    assert True not in ink.tidied_here


def test_a_write_that_fails_in_the_other_thread_is_not_followed_by_one_here() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        ink.error = LedgerUnavailable("no space")
        for seq in range(1, SMALL + 2):
            commits.put(seq)
        results = await asyncio.gather(
            commits.wait(SMALL + 1), *(append(commits, seq) for seq in range(SMALL + 2, SMALL + 9)), return_exceptions=True
        )
        assert {type(result) for result in results} == {LedgerUnavailable}

    on(ink, scenario)
    assert ink.batches == []
    assert ink.after_failure == 1


def test_a_failure_is_known_before_anybody_else_can_write() -> None:
    ink = Ink()
    ink.error = RuntimeError("a bug")
    known: list[bool] = []

    async def scenario(commits: GroupCommit[int]) -> None:
        class Pen:
            """Looks what is known when it is laid down."""

            def __init__(self) -> None:
                self._lock = threading.Lock()

            def __enter__(self) -> None:
                self._lock.acquire()

            def __exit__(self, *_: object) -> None:
                known.append(commits.failure is not None)
                self._lock.release()

        commits._pen = Pen()  # type: ignore[assignment]
        commits.put(1)
        with pytest.raises(LedgerUnavailable):
            await commits.wait(1)

    on(ink, scenario, pace=Steady(short=False))
    assert known[0]


def test_a_failure_just_before_the_loop_takes_the_pen_keeps_it_from_writing() -> None:
    ink = Ink()

    async def scenario() -> None:
        class Late(Pace):
            @property
            def is_short(self) -> bool:
                commits.failure = LedgerUnavailable("no space")
                return True

        commits = GroupCommit(ink, durable_seq=0, pace=Late())
        with pytest.raises(LedgerUnavailable):
            await append(commits, 1)
        await commits.close()

    asyncio.run(scenario())
    assert ink.batches == []


def test_an_interrupt_in_the_middle_of_a_write_stops_the_record() -> None:
    ink = Ink()
    made: list[GroupCommit[int]] = []

    async def scenario() -> None:
        made.append(GroupCommit(ink, durable_seq=0, pace=Steady()))
        ink.error = KeyboardInterrupt()
        await append(made[0], 1)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(scenario())
    assert made[0].failure is not None

    async def afterwards() -> None:
        with pytest.raises(LedgerUnavailable):
            await made[0].wait(1)
        await made[0].close()

    asyncio.run(afterwards())
    assert ink.released == 1


def test_chores_that_a_write_here_leaves_are_done_by_the_other_thread() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        await append(commits, 1)
        assert ink.tidied_here == []
        ink.chores = 1
        await append(commits, 2)
        async with asyncio.timeout(10):
            while ink.chores:
                await asyncio.sleep(0)
        assert ink.here == [True, True]
        assert ink.tidied_here == [False]

    on(ink, scenario)


def test_the_child_of_a_fork_refuses_what_was_about_to_be_written() -> None:
    ink = Ink()

    async def scenario(commits: GroupCommit[int]) -> None:
        wait = asyncio.create_task(append(commits, 1))
        await asyncio.sleep(0)
        commits.disown(LedgerUnavailable("was opened by another process"))
        with pytest.raises(LedgerUnavailable, match="another process"):
            await wait

    on(ink, scenario)
    assert ink.batches == []


def test_virtual_time_stands_still_while_the_loop_itself_writes() -> None:
    ink = Ink()

    async def scenario() -> None:
        clock = VirtualClock()
        commits = GroupCommit(ink, durable_seq=0, pace=Steady())
        async with asyncio.timeout(0.001):  # Of virtual time.
            for seq in range(1, 50):
                await append(commits, seq)
        assert clock.monotonic_ns() == 0
        await commits.close()

    run(scenario())
    assert all(ink.here)
