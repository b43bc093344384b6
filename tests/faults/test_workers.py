"""Everything that can happen to a worker process. The processes and the signals are real."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bailiwick.effects import Tool
from bailiwick.errors import Failed, Stopping, Unavailable, WorkerDied
from bailiwick.tools.workers import WorkerPool
from tests.unit.tools import acts
from tests.unit.tools.pools import act, begin, begin_to_hold, ended, exists, surroundings, with_pool

# How workers die


@pytest.mark.parametrize(
    ("asked", "args", "how", "facts"),
    [
        (acts.leave, (3,), r"ended with exit status 3", {"exit_status": 3}),
        (acts.leave, (0,), r"ended with exit status 0", {"exit_status": 0}),
        (acts.crash, (), r"was killed by signal 11 \(SIGSEGV\)", {"signal": 11}),
        (acts.kill_itself, (9,), r"was killed by signal 9 \(SIGKILL\)", {"signal": 9}),
        (acts.kill_itself, (40,), r"was killed by signal 40 \(unknown\)", {"signal": 40}),
    ],
)
def test_a_worker_that_dies_fails_its_call_and_is_replaced(asked: Tool, args: tuple[Any, ...], how: str, facts: dict[str, int]) -> None:
    async def scenario(pool: WorkerPool) -> None:
        before = await act(pool, acts.where)
        with pytest.raises(WorkerDied, match=rf"^the worker that ran {asked.name} \(pid {before}\) {how}") as caught:
            await act(pool, asked, *args)
        assert caught.value.facts == {"pid": before, **facts}
        assert not exists(before)
        assert await act(pool, acts.where) != before

    with_pool(scenario)


def test_a_worker_killed_in_the_middle_of_a_call_harms_no_other(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        task, pid = await begin_to_hold(pool, tmp_path / "a", agent="agt_a")
        other, other_pid = await begin_to_hold(pool, tmp_path / "b", agent="agt_b")
        waiting = begin(pool, acts.where, agent="agt_c")
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match=rf"the worker that ran hold \(pid {pid}\) was killed by signal 9"):
            await task
        assert await waiting not in (pid, other_pid)
        assert not other.done()
        other.cancel()

    with_pool(scenario, size=2)


def test_a_worker_killed_while_it_sleeps_is_replaced_unnoticed() -> None:
    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid)
        assert await act(pool, acts.where) != pid

    with_pool(scenario)


def test_a_child_that_holds_the_socket_open_does_not_hide_the_death_of_its_worker(tmp_path: Path) -> None:
    fifo = tmp_path / "until"
    os.mkfifo(fifo)

    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(WorkerDied, match="signal 9"):
            await act(pool, acts.fork_and_die, str(fifo))

    with_pool(scenario)
    fifo.write_text("enough")


def test_cancelling_a_call_ends_its_process_at_once(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        task, pid = await begin_to_hold(pool, tmp_path / "a", acts.hold_on)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended(pid)
        assert await act(pool, acts.where) != pid

    with_pool(scenario)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x00\x00\x00\x02\xc1\xc1", "sent what is no answer"),
        (b"\x00\x00\x00\x00", "sent what is no answer"),
        (b"\xff\xff\xff\xff", r"sent what is no answer, and was ended: a frame of 4096.0 MiB"),
        (b"\x00\x00\x00\x16\x82\xa4type\xa5ready\xa8protocol\x01", "it is ready, twice"),
    ],
)
def test_a_worker_that_does_not_keep_to_the_protocol_is_ended(data: bytes, what: str) -> None:
    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        with pytest.raises(Failed, match=what):
            await act(pool, acts.send_raw, data)
        assert await act(pool, acts.where) != pid

    with_pool(scenario)


def test_a_worker_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(Failed, match="another version of Bailiwick"):
            await act(pool, acts.where)

    monkeypatch.setattr("bailiwick.tools.process.PROTOCOL", 99)
    with_pool(scenario)


def test_ctrl_c_ends_no_worker_and_prints_nothing(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        starting = begin(pool, acts.where)
        await asyncio.sleep(0)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGINT)  # Python is not even up there.
        assert await starting == pid
        os.kill(pid, signal.SIGINT)
        held, _ = await begin_to_hold(pool, tmp_path / "a")
        os.kill(pid, signal.SIGINT)
        assert exists(pid)
        held.cancel()

    with_pool(scenario)
    assert capfd.readouterr() == ("", "")


# What keeps them from starting


def test_a_worker_that_cannot_start_fails_the_call_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: WorkerPool) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        for _ in range(2):
            with pytest.raises(WorkerDied, match="ended with exit status 1 before it was ready"):
                await act(pool, acts.where)
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(Unavailable, match=r"no worker process could be started .*/nowhere/python"):
            await act(pool, acts.where)
        monkeypatch.undo()
        assert await act(pool, acts.where) > 0

    with_pool(scenario)


def test_a_host_without_descriptors_to_spare_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def scenario(pool: WorkerPool) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socketpair", none_left)
            with pytest.raises(Unavailable, match="Too many open files"):
                await act(pool, acts.where)
        assert await act(pool, acts.where) > 0

    with_pool(scenario)


def test_without_a_descriptor_for_the_process_the_socket_tells_of_its_death(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_here(pid: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(WorkerDied, match="exit status 3"):
            await act(pool, acts.leave, 3)

    monkeypatch.setattr(os, "pidfd_open", not_here)
    with_pool(scenario)


def test_who_waits_for_a_worker_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        held, _ = await begin_to_hold(pool, tmp_path / "a")
        waiting = begin(pool, acts.where)
        await asyncio.sleep(0)
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        held.cancel()
        with pytest.raises(Unavailable, match="no worker process could be started"):
            await waiting

    with_pool(scenario)


# How a pool ends


def test_closing_stops_calls_leaves_them_open_and_refuses_more(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        await asyncio.gather(act(pool, acts.where, agent="agt_a"), act(pool, acts.where, agent="agt_b"))
        held, _ = await begin_to_hold(pool, tmp_path / "a", agent="agt_a")
        pids = pool.pids
        assert len(pids) == 2  # One that holds, one idle.
        await pool.close()
        assert [pid for pid in pids if exists(pid)] == []
        for task in (held, begin(pool, acts.where)):
            with pytest.raises(Stopping) as caught:
                await task
            assert caught.value.leaves_open
        await pool.close()

    with_pool(scenario, size=2)


def test_closing_tells_those_who_wait(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        held, _ = await begin_to_hold(pool, tmp_path / "a")
        waiting = begin(pool, acts.where)
        await asyncio.sleep(0)
        await asyncio.gather(pool.close(), pool.close())
        assert [type(error) for error in await asyncio.gather(held, waiting, return_exceptions=True)] == [Stopping, Stopping]

    with_pool(scenario)


def test_a_worker_that_will_not_end_is_killed(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        held, pid = await begin_to_hold(pool, tmp_path / "a", acts.hold_on)
        await pool.close()
        assert not exists(pid)
        with pytest.raises(Stopping):
            await held

    with_pool(scenario, grace=timedelta(milliseconds=5))


def test_a_pool_that_was_never_used_closes_at_once() -> None:
    async def scenario(pool: WorkerPool) -> None:
        assert pool.pids == []

    with_pool(scenario, size=3)


def test_workers_do_not_outlive_a_host_that_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    program = f"""
import asyncio
from bailiwick.clock import SystemClock
from bailiwick.tools.workers import ProcessActuator, WorkerPool
from tests.unit.tools.acts import hold, intent, where

async def main():
    pool = WorkerPool(2, SystemClock(), {{}})
    for agent in "ab":
        asyncio.create_task(ProcessActuator(where, pool).act(intent(where, agent=agent)))
    await asyncio.gather(*asyncio.all_tasks() - {{asyncio.current_task()}})
    print(*pool.pids, flush=True)
    await ProcessActuator(hold, pool).act(intent(hold, {str(tmp_path / "fifo")!r}))

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], env=surroundings(), stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pids = [int(pid) for pid in host.stdout.readline().split()]
        busy = int((tmp_path / "fifo").read_text())  # It runs by now.
        assert busy in pids
        assert len(pids) == 2
        host.kill()
        assert [pid for pid in pids if not ended(pid)] == []


def test_a_worker_whose_host_was_gone_before_it_could_ask_ends() -> None:
    ours, theirs = socket.socketpair()
    program = f"from bailiwick.tools.worker import main; main({theirs.fileno()}, {os.getppid()})"  # Not its parent: we are.
    with ours, theirs:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=surroundings(), pass_fds=(theirs.fileno(),), capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
