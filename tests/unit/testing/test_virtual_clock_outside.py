"""The virtual clock and the world outside: what is waited for in real time, and what is reported instead of hanging."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from bailiwick.errors import Defect
from bailiwick.testing.virtual_clock import VirtualClockLoop, run

SHORT = timedelta(milliseconds=20)
"""Patience for tests in which the outside stays silent on purpose."""

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
    assert "main (test_virtual_clock_outside.py:" in first
    assert second.startswith("vladimir: ")
    assert "waits_for_godot (test_virtual_clock_outside.py:" in second
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
