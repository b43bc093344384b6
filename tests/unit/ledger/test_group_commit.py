"""The thread that writes, on a medium that the test holds in its hand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import group_commit
from bailiwick.ledger.group_commit import GroupCommit, Medium
from bailiwick.testing.virtual_clock import VirtualClock, run


class Slate(Medium[int]):
    """Remembers each batch; writes nothing until the test lets it."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.let = threading.Event()
        self.reached = threading.Event()
        self.tidied: list[bool] = []
        self.released = 0
        self.error: Exception | None = None
        if not held:
            self.let.set()

    def write(self, items: list[int]) -> int:
        self.reached.set()
        assert self.let.wait(10)
        if self.error is not None:
            raise self.error
        self.batches.append(items)
        return items[-1]

    def tidy(self, *, last: bool) -> None:
        self.tidied.append(last)

    def release(self) -> None:
        self.released += 1


def on(slate: Slate, scenario: Callable[[GroupCommit[int]], Awaitable[None]], *, max_batch: int | None = None) -> None:
    async def whole() -> None:
        commits = GroupCommit(slate, durable_seq=0, max_batch=max_batch)
        try:
            await scenario(commits)
        finally:
            slate.let.set()
            await commits.close()

    asyncio.run(whole())


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


def test_what_queues_up_during_a_write_is_the_next_batch() -> None:
    slate = Slate(held=True)

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        first = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        others: list[asyncio.Task[None]] = []
        for seq in range(2, 100):
            commits.put(seq)
            others.append(asyncio.create_task(commits.wait(seq)))
        slate.let.set()
        await asyncio.gather(first, *others)
        assert slate.batches == [[1], list(range(2, 100))]

    on(slate, scenario)


def test_nobody_is_told_before_the_write_has_returned() -> None:
    slate = Slate(held=True)

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not wait.done()
        assert commits.durable_seq == 0
        slate.let.set()
        await wait
        assert commits.durable_seq == 1

    on(slate, scenario)


def test_an_item_nobody_waits_for_rides_with_the_next_that_somebody_does() -> None:
    slate = Slate()

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in range(1, 40, 2):
            commits.put(seq)  # As an outcome, nobody waits for it.
            commits.put(seq + 1)
            await commits.wait(seq + 1)
        assert slate.batches == [[seq, seq + 1] for seq in range(1, 40, 2)]

    on(slate, scenario)


def test_an_item_nobody_ever_waits_for_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LINGER", timedelta(milliseconds=1))
    slate = Slate()

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in (1, 2, 3):  # Each time the thread has gone to rest before.
            slate.reached.clear()
            async with asyncio.timeout(10):
                while not commits._resting:  # pyright: ignore[reportPrivateUsage]
                    await asyncio.sleep(0)
            commits.put(seq)
            await until(slate.reached)
        await commits.wait(3)
        assert [seq for batch in slate.batches for seq in batch] == [1, 2, 3]

    on(slate, scenario)


def test_a_write_that_ends_while_somebody_lines_up_to_wait_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The narrow place between looking whether it is durable and being seen to wait: here the other thread always gets into it."""
    monkeypatch.setattr(group_commit, "LINGER", timedelta(milliseconds=1))
    slate = Slate()

    async def scenario(commits: GroupCommit[int]) -> None:
        class Slow(deque[Any]):
            def append(self, item: Any, /) -> None:
                while len(slate.tidied) < len(slate.batches) or not slate.batches or slate.batches[-1][-1] < newest:
                    time.sleep(0.001)  # Until the thread has told everybody it knows of.
                super().append(item)

        commits._waiters = Slow()  # pyright: ignore[reportPrivateUsage]
        commits._tickets = Slow()  # pyright: ignore[reportPrivateUsage]
        for newest in (1, 2, 3):
            commits.put(newest)
            await asyncio.wait_for(commits.wait(newest), 10)

    on(slate, scenario)


def test_a_failure_while_somebody_lines_up_to_wait_is_not_missed() -> None:
    slate = Slate()
    slate.error = LedgerUnavailable("no space")

    async def scenario(commits: GroupCommit[int]) -> None:
        class Slow(deque[Any]):
            def append(self, item: Any, /) -> None:
                commits._thread.join(10)  # pyright: ignore[reportPrivateUsage]
                super().append(item)

        commits._tickets = Slow()  # pyright: ignore[reportPrivateUsage]
        commits.put(1)
        with pytest.raises(LedgerUnavailable, match="no space"):
            await asyncio.wait_for(commits.wait(1), 10)

    on(slate, scenario)


def test_an_item_that_comes_just_as_the_thread_goes_to_rest_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LINGER", timedelta(milliseconds=1))
    slate = Slate()

    class Drowsy(GroupCommit[int]):
        """`put` looks whether the thread rests just before it does."""

        _late = True

        def __setattr__(self, name: str, value: object) -> None:
            if name == "_resting" and value and self._late:
                self._late = False
                self.put(1)
            super().__setattr__(name, value)

    async def scenario() -> None:
        commits = Drowsy(slate, durable_seq=0)
        await until(slate.reached)
        await commits.close()

    asyncio.run(scenario())
    assert slate.batches == [[1]]


def test_what_is_too_much_for_the_loop_is_begun_before_its_turn_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LINGER", timedelta(hours=1))
    slate = Slate()
    begun: list[bool] = []

    async def append(commits: GroupCommit[int], seqs: list[int]) -> None:
        for seq in seqs:
            commits.put(seq)
        await commits.wait(seqs[-1])

    async def blocks() -> None:
        begun.append(slate.reached.wait(10))

    async def scenario(commits: GroupCommit[int]) -> None:
        await asyncio.gather(append(commits, [1]), append(commits, list(range(2, group_commit.SMALL + 2))), blocks())

    on(slate, scenario)
    assert begun == [True]


def test_a_crowd_is_written_though_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LINGER", timedelta(hours=1))
    slate = Slate()

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in range(1, group_commit.CROWD + 1):
            commits.put(seq)
        await until(slate.reached)

    on(slate, scenario)
    assert sum(map(len, slate.batches)) == group_commit.CROWD


def test_a_bound_on_batches_is_kept() -> None:
    slate = Slate(held=True)

    async def scenario(commits: GroupCommit[int]) -> None:
        for seq in range(1, 8):
            commits.put(seq)
        wait = asyncio.create_task(commits.wait(7))
        await until(slate.reached)
        slate.let.set()
        await wait
        assert slate.batches == [[1, 2, 3], [4, 5, 6], [7]]

    on(slate, scenario, max_batch=3)


def test_a_cancelled_wait_ends_at_once_though_the_medium_hangs() -> None:
    slate = Slate(held=True)

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        stays = asyncio.create_task(commits.wait(1))
        goes = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        assert not stays.done()
        slate.let.set()
        await stays

    on(slate, scenario)


@pytest.mark.parametrize("error", [LedgerUnavailable("no space", path="here"), RuntimeError("a bug")], ids=["foreseen", "unforeseen"])
def test_a_failed_write_fails_everyone_and_nothing_is_written_after_it(error: Exception) -> None:
    slate = Slate(held=True)
    slate.error = error

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        waits = [asyncio.create_task(commits.wait(1))]
        await until(slate.reached)
        commits.put(2)
        waits += [asyncio.create_task(commits.wait(2)) for _ in range(2)]
        await asyncio.sleep(0)
        slate.let.set()
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(result) for result in results] == [LedgerUnavailable] * 3
        assert len({id(result) for result in results}) == 3  # Each raise has its own traceback.
        assert str(error) in str(results[0])
        with pytest.raises(LedgerUnavailable):
            await commits.wait(1)
        assert commits.durable_seq == 0

    on(slate, scenario)
    assert slate.batches == []
    assert slate.released == 1
    assert True not in slate.tidied


def test_closing_writes_what_is_queued_then_tidies_and_lets_go_once() -> None:
    slate = Slate()

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        commits.put(2)
        await commits.close()
        assert [seq for batch in slate.batches for seq in batch] == [1, 2]
        assert slate.tidied[-1] is True
        assert slate.tidied.count(True) == 1

    on(slate, scenario)
    assert slate.released == 1


def test_a_loop_that_closes_while_somebody_waits_leaves_the_next_loop_unharmed(caplog: pytest.LogCaptureFixture) -> None:
    slate = Slate(held=True)
    made: list[GroupCommit[int]] = []

    async def killed() -> None:
        made.append(GroupCommit(slate, durable_seq=0))
        made[0].put(1)
        asyncio.create_task(made[0].wait(1))  # noqa: RUF006 -- the loop ends while it waits
        await until(slate.reached)

    async def next_one() -> None:
        made[0].put(2)
        wait = asyncio.create_task(made[0].wait(2))
        await asyncio.sleep(0)
        slate.let.set()
        await wait
        await made[0].close()

    asyncio.run(killed())
    asyncio.run(next_one())
    assert [seq for batch in slate.batches for seq in batch] == [1, 2]
    assert caplog.records == []


def test_virtual_time_stands_still_while_the_medium_is_at_work() -> None:
    slate = Slate(held=True)

    async def scenario() -> None:
        clock = VirtualClock()
        commits = GroupCommit(slate, durable_seq=0)
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        asyncio.get_running_loop().call_soon(lambda: threading.Timer(0.02, slate.let.set).start())
        async with asyncio.timeout(0.001):  # Of virtual time.
            await wait
        assert clock.monotonic_ns() == 0
        await commits.close()

    run(scenario())
