"""Errands, and how it ends: what was asked for before is done, what comes too late is told, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bailiwick.errors import Fenced, LedgerUnavailable
from bailiwick.ledger.group_commit import GroupCommit, Medium
from tests.unit.ledger.test_group_commit import Slate, on, until
from tests.unit.ledger.test_group_commit_here import Ink, Steady, append


class Narrow(Medium[int]):
    """Notices when anybody else comes while something is written."""

    def __init__(self) -> None:
        self.commits: GroupCommit[int] | None = None
        self.crowded: list[str] = []
        self.came = threading.Event()
        self.writing = False

    def write(self, items: list[int]) -> int:
        self.writing = True
        assert self.commits is not None
        self.commits._closing = True  # pyright: ignore[reportPrivateUsage] -- as if the thread had heard only now
        self.commits._ring()  # pyright: ignore[reportPrivateUsage]
        self.came.wait(0.02)  # The other thread is not to come, however long it takes.
        self.writing = False
        return items[-1]

    def tidy(self, *, last: bool) -> None:
        self._note("tidy")

    def release(self) -> None:
        self._note("release")

    def _note(self, what: str) -> None:
        if self.writing:
            self.crowded.append(what)
        self.came.set()


async def told(waiter: asyncio.Future[None]) -> object:
    """What somebody who waits is told; fails if nobody ever tells."""
    return (await asyncio.wait_for(asyncio.gather(waiter, return_exceptions=True), 10))[0]


def test_the_medium_is_not_let_go_of_while_the_loop_writes_the_last_of_it() -> None:
    narrow = Narrow()

    async def scenario() -> None:
        narrow.commits = GroupCommit(narrow, durable_seq=0, pace=Steady())
        await append(narrow.commits, 1)
        await narrow.commits.close()

    asyncio.run(scenario())
    assert narrow.crowded == []


def test_an_errand_whose_asker_went_away_is_not_run_and_stops_nothing() -> None:
    slate = Slate(held=True)
    ran: list[str] = []

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        goes = asyncio.create_task(commits.between(lambda: ran.append("gone")))
        stays = asyncio.create_task(commits.between(lambda: ran.append("there")))
        await asyncio.sleep(0)
        goes.cancel()
        await asyncio.sleep(0)
        slate.let.set()
        await asyncio.wait_for(asyncio.gather(wait, stays), 10)
        assert commits.failure is None
        commits.put(2)
        await commits.wait(2)

    on(slate, scenario)
    assert ran == ["there"]


def test_an_errand_that_is_left_in_the_middle_ends_and_stops_nothing() -> None:
    slate = Slate()
    begun, let = threading.Event(), threading.Event()

    def errand() -> None:
        begun.set()
        assert let.wait(10)

    async def scenario(commits: GroupCommit[int]) -> None:
        goes = asyncio.create_task(commits.between(errand))
        await until(begun)
        goes.cancel()
        with pytest.raises(asyncio.CancelledError):
            await goes
        let.set()
        commits.put(1)
        await commits.wait(1)
        assert commits.failure is None

    on(slate, scenario)


def test_an_errand_is_not_kept_waiting_by_a_loop_that_writes_and_writes() -> None:
    ink = Ink()

    async def scenario() -> None:
        commits = GroupCommit(ink, durable_seq=0, pace=Steady())
        errand = asyncio.create_task(commits.between(lambda: len(ink.batches)))
        writes = [asyncio.create_task(append(commits, seq)) for seq in (1, 2)]
        await asyncio.gather(*writes)
        assert await errand == 0
        await commits.close()

    asyncio.run(scenario())
    assert ink.here == [False]


def test_errands_asked_for_before_it_closes_are_run_and_later_ones_refused() -> None:
    slate = Slate(held=True)

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        errand = asyncio.create_task(commits.between(lambda: "done"))
        await asyncio.sleep(0)
        closing = asyncio.create_task(commits.close())
        await asyncio.sleep(0)
        with pytest.raises(LedgerUnavailable, match="closed"):
            await asyncio.wait_for(commits.between(lambda: "late"), 10)
        slate.let.set()
        await closing
        assert await asyncio.wait_for(errand, 10) == "done"
        await wait
        with pytest.raises(LedgerUnavailable, match="closed"):
            await asyncio.wait_for(commits.between(lambda: "late"), 10)

    on(slate, scenario)


def test_errands_behind_a_failure_are_refused_also_where_one_was_given_up() -> None:
    slate = Slate(held=True)
    slate.error = LedgerUnavailable("no space", path="here")
    ran: list[str] = []

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        goes, stays = [asyncio.create_task(commits.between(lambda: ran.append("ran"))) for _ in range(2)]
        await asyncio.sleep(0)
        goes.cancel()
        await asyncio.sleep(0)
        slate.let.set()
        for waiter in (wait, stays):
            refusal = await told(waiter)
            assert isinstance(refusal, LedgerUnavailable)
            assert refusal.facts == {"path": "here"}

    on(slate, scenario)
    assert ran == []


def test_those_who_wait_are_told_though_the_medium_cannot_be_let_go_of() -> None:
    class Stuck(Slate):
        def release(self) -> None:
            raise OSError("stuck")

    slate = Stuck(held=True)
    slate.error = LedgerUnavailable("no space")
    noticed: list[object] = []

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        wait = asyncio.create_task(commits.wait(1))
        await until(slate.reached)
        slate.let.set()
        assert isinstance(await told(wait), LedgerUnavailable)

    hook, threading.excepthook = threading.excepthook, lambda args: noticed.append(args.exc_value)
    try:
        on(slate, scenario)
    finally:
        threading.excepthook = hook
    assert [str(error) for error in noticed] == ["stuck"]


def test_a_fence_keeps_its_name_and_facts_for_all_who_wait() -> None:
    slate = Slate(held=True)
    slate.error = Fenced("taken over", holder=2)  # type: ignore[assignment]

    async def scenario(commits: GroupCommit[int]) -> None:
        commits.put(1)
        waits = [asyncio.create_task(commits.wait(1)) for _ in range(2)]
        await until(slate.reached)
        slate.let.set()
        found = [await told(wait) for wait in waits]
        assert [type(error) for error in found] == [Fenced, Fenced]
        assert found[0] is not found[1]
        with pytest.raises(Fenced) as caught:
            await commits.wait(1)
        assert caught.value.facts == {"holder": 2}

    on(slate, scenario)


def test_an_errand_that_meets_a_fence_is_the_last_thing_done() -> None:
    slate = Slate()
    ran: list[str] = []

    def errand() -> None:
        ran.append("ran")
        raise Fenced("taken over")

    async def scenario(commits: GroupCommit[int]) -> None:
        waiters = [asyncio.create_task(commits.between(errand)) for _ in range(2)]
        commits.put(1)
        waiters.append(asyncio.create_task(commits.wait(1)))
        for waiter in waiters:
            assert isinstance(await told(waiter), Fenced)

    on(slate, scenario)
    assert ran == ["ran"]
    assert slate.batches == []


def test_those_who_wait_are_told_of_an_interrupt_that_the_loop_survives() -> None:
    ink = Ink()
    ink.error = KeyboardInterrupt()
    loop = asyncio.new_event_loop()
    try:

        async def made() -> GroupCommit[int]:
            return GroupCommit(ink, durable_seq=0, pace=Steady())

        commits = loop.run_until_complete(made())
        wait = loop.create_task(append(commits, 1))
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(wait)
        assert isinstance(loop.run_until_complete(told(wait)), LedgerUnavailable)
        loop.run_until_complete(commits.close())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
