"""The virtual clock: what jumps, what waits, and what is reported instead of hanging."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bailiwick.errors import Defect
from bailiwick.testing.virtual_clock import EPOCH_NS, VirtualClock, VirtualClockLoop, run

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


# The world outside


def test_the_result_of_a_thread_arrives_before_the_next_timer() -> None:
    async def main() -> tuple[str, float, list[str]]:
        loop = asyncio.get_running_loop()
        fired: list[str] = []
        loop.call_later(0.001, fired.append, "timer")
        gate = threading.Event()
        threading.Timer(0.005, gate.set).start()
        done = await asyncio.to_thread(lambda: gate.wait(5) and "thread")
        return str(done), loop.time(), fired

    assert run(main()) == ("thread", 0.0, [])


def test_a_future_of_an_executor_the_loop_does_not_know_is_waited_for() -> None:
    async def main() -> str:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            gate = threading.Event()
            threading.Timer(0.005, gate.set).start()
            job = pool.submit(lambda: gate.wait(5) and "job")
            async with asyncio.timeout(0.001):
                return str(await asyncio.wrap_future(job))

    assert run(main()) == "job"


def test_an_exception_from_a_thread_arrives() -> None:
    async def main() -> None:
        await asyncio.to_thread(int, "seven")

    with pytest.raises(ValueError, match="seven"):
        run(main())


def test_a_deadline_on_a_hung_thread_passes_when_the_patience_is_over() -> None:
    gate = threading.Event()

    async def main() -> float:
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3600):
                    await asyncio.to_thread(gate.wait, 30)
            return asyncio.get_running_loop().time()
        finally:
            gate.set()

    assert run(main(), patience=SHORT) == 3600.0


def test_declared_work_outside_holds_the_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualClockLoop)
        done = asyncio.Event()
        with loop.outside_work():
            threading.Timer(0.005, loop.call_soon_threadsafe, [done.set]).start()
            async with asyncio.timeout(0.001):
                await done.wait()
        return loop.time()

    assert run(main()) == 0.0


@pytest.mark.parametrize("shell", [False, True])
def test_a_child_process_is_waited_for_in_real_time(shell: bool) -> None:
    async def main() -> tuple[int, float]:
        async with asyncio.timeout(0.001):
            if shell:
                child = await asyncio.create_subprocess_shell("exit 3")
            else:
                child = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", "-c", "raise SystemExit(3)")
            return await child.wait(), asyncio.get_running_loop().time()

    assert run(main()) == (3, 0.0)


def test_what_a_child_process_prints_arrives_before_the_next_timer() -> None:
    async def main() -> bytes:
        child = await asyncio.create_subprocess_exec("echo", "hello", stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(0.001):
            out, _ = await child.communicate()
        return out

    assert run(main()) == b"hello\n"


def test_a_pipe_written_by_a_thread_is_waited_for() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.setblocking(False)
            threading.Timer(0.005, theirs.send, [b"news"]).start()
            async with asyncio.timeout(0.001):
                return await loop.sock_recv(mine, 10)

    assert run(main()) == b"news"


async def _serve_and(ask: Callable[[int], Awaitable[Any]], delay_s: float = 60) -> Any:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(delay_s)
            writer.write(line.upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        return await ask(server.sockets[0].getsockname()[1])


def test_client_and_server_on_one_loop_talk_and_idle_connections_do_not_hold_the_time() -> None:
    async def ask(port: int) -> tuple[bytes, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        heard = await reader.readline()
        await asyncio.sleep(3600)
        writer.transport.pause_reading()  # Now the loop watches only the server's end.
        await asyncio.sleep(3600)
        now = asyncio.get_running_loop().time()
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.1)
        return heard, now

    # With a patience this long the test ends only if no jump waited for it.
    assert run(_serve_and(ask), patience=timedelta(days=1)) == (b"HELLO\n", 7260.0)


def test_what_has_arrived_is_read_before_time_goes_on() -> None:
    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(0.001):
            writer.write(b"hello\n")
            heard = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return heard

    assert run(_serve_and(ask, delay_s=0), patience=timedelta(days=1)) == b"HELLO\n"


def test_a_client_outside_the_loop_is_waited_for() -> None:
    def talk(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"hello\n")
            return connection.recv(10)

    async def ask(port: int) -> bytes:
        return await asyncio.to_thread(talk, port)

    assert run(_serve_and(ask), patience=SHORT) == b"HELLO\n"


# Deadlock


def test_a_deadlock_is_reported_with_the_tasks_and_where_they_wait() -> None:
    async def waits_for_godot() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(waits_for_godot(), name="vladimir")

    with pytest.raises(Defect, match="deadlock: nothing is ready") as caught:
        run(main(), patience=SHORT)
    [first, second] = caught.value.facts["tasks"]
    assert "main (test_virtual_clock.py:" in first
    assert second.startswith("vladimir: ")
    assert "waits_for_godot (test_virtual_clock.py:" in second
    assert "Event.wait (locks.py:" in second
    assert second in str(caught.value)


def test_a_deadlock_after_timers_and_threads_are_done_is_reported() -> None:
    async def main() -> None:
        await asyncio.sleep(10)
        await asyncio.to_thread(int, "7")
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Defect, match="deadlock"):
        run(main(), patience=SHORT)


def test_tasks_are_cancelled_and_the_loop_is_closed_after_a_deadlock() -> None:
    heard: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.Event().wait()
        finally:
            heard.append("cleaned up")

    with pytest.raises(Defect):
        run(main(), patience=SHORT)
    assert heard == ["cleaned up"]
    assert loops[0].is_closed()


def test_a_heartbeat_that_outlives_the_work_is_stopped_at_the_horizon() -> None:
    async def beat() -> None:
        while True:
            await asyncio.sleep(60)

    async def main() -> None:
        beating = asyncio.create_task(beat(), name="heart")
        await asyncio.Event().wait()
        beating.cancel()

    with pytest.raises(Defect, match=r"passed its horizon, 1 days(.|\n)*heart"):
        run(main(), horizon=timedelta(days=1))


def test_sleeping_for_ever_is_a_deadlock() -> None:
    with pytest.raises(Defect, match="passed its horizon"):
        run(asyncio.sleep(float("inf")))


def test_a_thread_the_loop_was_not_told_of_gets_a_chance_before_a_deadlock_is_reported() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Timer(0.005, loop.call_soon_threadsafe, [future.set_result, "late"]).start()
        return await future

    assert run(main()) == "late"


# Signals


def test_a_signal_wakes_the_loop() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        loop.call_later(5, os.kill, os.getpid(), signal.SIGUSR1)
        await heard.wait()
        assert loop.remove_signal_handler(signal.SIGUSR1)
        return loop.time()

    assert run(main()) == 5.0


def test_a_signal_from_elsewhere_is_awaited_where_a_handler_is_set() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        heard = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        with subprocess.Popen(["sh", "-c", "kill -USR1 $PPID"]):  # The loop knows nothing of this process.
            return await heard.wait()

    assert run(main())


def test_an_interrupt_cancels_the_main_task() -> None:
    heard: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    with pytest.raises(KeyboardInterrupt):
        run(main())
    assert heard == ["cancelled"]


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
