"""The virtual clock: what time does when only tasks and timers wait for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bailiwick.errors import Defect
from bailiwick.testing.virtual_clock import EPOCH_NS, VirtualClock, run

SHORT = timedelta(milliseconds=20)
"""Patience for tests in which the outside stays silent on purpose."""

# Time


def test_ten_years_of_sleep_are_over_at_once_and_to_the_microsecond() -> None:
    async def main() -> None:
        clock = VirtualClock()
        await clock.sleep(timedelta(days=3650))
        assert clock.monotonic_ns() == 3650 * 86_400 * 10**9
        assert asyncio.get_running_loop().time() == 3650 * 86_400

    run(main())


def test_a_microsecond_of_sleep_ends_even_after_ten_years() -> None:
    async def main() -> int:
        clock = VirtualClock()
        await clock.sleep(timedelta(days=3650))
        for _ in range(10):
            await clock.sleep(timedelta(microseconds=1))
        return clock.monotonic_ns()

    assert run(main()) == 3650 * 86_400 * 10**9 + 10_000


def test_sleeps_add_up_without_drift() -> None:
    async def main() -> int:
        clock = VirtualClock()
        for _ in range(1000):
            await clock.sleep(timedelta(microseconds=100_001))
        return clock.monotonic_ns()

    assert run(main()) == 100_001_000 * 1000


def test_the_wall_clock_starts_at_its_epoch_in_every_run() -> None:
    async def main() -> int:
        clock = VirtualClock()
        started = clock.now_ns()
        await clock.sleep(timedelta(hours=1))
        assert clock.now_ns() - started == 3600 * 10**9
        return started

    assert run(main()) == run(main()) == EPOCH_NS
    assert datetime.fromtimestamp(EPOCH_NS / 1e9, UTC) == datetime(2026, 1, 1, tzinfo=UTC)


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert run(main()) == 0.0


def test_a_sleep_of_zero_lets_others_run_once() -> None:
    async def main() -> list[str]:
        heard: list[str] = []
        asyncio.get_running_loop().call_soon(heard.append, "other")
        await VirtualClock().sleep(timedelta(0))
        heard.append("me")
        return heard

    assert run(main()) == ["other", "me"]


def test_a_clock_shows_the_epoch_before_any_loop_and_keeps_the_last_time_after_it() -> None:
    clock = VirtualClock()
    assert (clock.now_ns(), clock.monotonic_ns()) == (EPOCH_NS, 0)
    run(clock.sleep(timedelta(seconds=7)))
    assert clock.monotonic_ns() == 7 * 10**9


def test_a_thread_reads_the_time_of_the_loop_that_used_the_clock() -> None:
    async def main() -> int:
        clock = VirtualClock()
        await clock.sleep(timedelta(seconds=3))
        return await asyncio.to_thread(clock.monotonic_ns)

    assert run(main()) == 3 * 10**9


def test_a_virtual_clock_on_a_real_loop_is_refused() -> None:
    with pytest.raises(Defect, match=r"bailiwick\.testing\.run"):
        asyncio.run(VirtualClock().sleep(timedelta(0)))


# Timers


def test_timers_fire_in_the_order_of_their_times_whatever_the_order_they_were_set_in() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        chance = random.Random(4)
        delays = [chance.uniform(0, 1e6) for _ in range(300)]
        fired: list[float] = []
        for delay in delays:
            loop.call_later(delay, fired.append, delay)
        await asyncio.sleep(1e6)
        assert fired == sorted(delays)
        return fired

    assert len(run(main())) == 300


def test_each_timer_sees_its_own_time() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        seen: list[float] = []
        for at in (0.25, 0.1, 90_000.5):
            loop.call_at(at, lambda: seen.append(loop.time()))
        await asyncio.sleep(100_000)
        return seen

    assert run(main()) == [0.1, 0.25, 90_000.5]


def test_a_cancelled_timer_does_not_fire_and_is_not_waited_for() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(5, pytest.fail, "it was cancelled").cancel()
        loop.call_later(1, lambda: None)
        await asyncio.sleep(10)
        return loop.time()

    assert run(main()) == 10.0


def test_a_timeout_fires_at_its_time_and_cancels_what_is_in_it() -> None:
    async def main() -> tuple[float, list[str]]:
        heard: list[str] = []

        async def slow() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                heard.append("cancelled")

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await slow()
        return asyncio.get_running_loop().time(), heard

    assert run(main()) == (30.0, ["cancelled"])


def test_wait_for_does_not_fire_for_what_is_quicker() -> None:
    async def main() -> str:
        return await asyncio.wait_for(asyncio.sleep(29, "answer"), 30)

    assert run(main()) == "answer"


def test_a_task_group_takes_as_long_as_its_slowest_task() -> None:
    async def main() -> float:
        async with asyncio.TaskGroup() as group:
            for hours in range(1, 9):
                group.create_task(asyncio.sleep(hours * 3600))
        return asyncio.get_running_loop().time()

    assert run(main()) == 8 * 3600


def test_a_task_group_cancels_the_others_at_the_time_one_fails() -> None:
    async def fail() -> None:
        await asyncio.sleep(2)
        raise ValueError("two seconds in")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(100))
            group.create_task(fail())

    async def main() -> float:
        with pytest.raises(ExceptionGroup):
            await both()
        return asyncio.get_running_loop().time()

    assert run(main()) == 2.0


# run


def test_tasks_left_behind_are_cancelled() -> None:
    heard: list[str] = []

    async def left_behind() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            heard.append("cancelled")

    async def main() -> str:
        task = asyncio.create_task(left_behind())
        await asyncio.sleep(1)
        return "done" if not task.done() else "too early"

    assert run(main()) == "done"
    assert heard == ["cancelled"]


def test_a_task_factory_of_the_user_is_used() -> None:
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine.__qualname__.rpartition(".")[2])
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main() -> str:
        asyncio.get_running_loop().set_task_factory(factory)
        return await asyncio.create_task(asyncio.sleep(1, "slept"))

    assert run(main(), seed=1) == "slept"
    assert made[0] == "sleep"


# A seed


def _order(seed: int | None) -> list[int]:
    async def note(number: int, order: list[int]) -> None:
        order.append(number)

    async def main() -> list[int]:
        order: list[int] = []
        await asyncio.gather(*(note(number, order) for number in range(6)))
        return order

    return run(main(), seed=seed)


def test_tasks_go_in_order_without_a_seed_and_in_the_order_of_the_seed_with_one() -> None:
    assert _order(None) == list(range(6))
    assert _order(1) == _order(1)
    assert sorted(_order(1)) == list(range(6))
    assert len({tuple(_order(seed)) for seed in range(20)}) > 10


def test_a_seed_changes_neither_results_nor_times_nor_cancellation() -> None:
    async def worker(number: int) -> int:
        await asyncio.sleep(number)
        return number * number

    async def main() -> tuple[list[int], float]:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.gather(*(worker(number) for number in range(5)))
        early = asyncio.create_task(worker(9))
        early.cancel()  # Before its first step: the coroutine must be closed, not forgotten.
        with pytest.raises(asyncio.CancelledError):
            await early
        assert await asyncio.to_thread(int, "7") == 7
        return list(await asyncio.gather(*(worker(number) for number in range(4)))), asyncio.get_running_loop().time()

    for seed in range(10):
        assert run(main(), seed=seed) == ([0, 1, 4, 9], 5.5)


def test_a_deadlock_under_a_seed_still_says_where_tasks_wait() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Defect, match=r"waits \(test_virtual_clock\.py:\d+\) > Event\.wait"):
        run(waits(), seed=3, patience=SHORT)
