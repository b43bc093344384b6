"""Worker processes, and everything that can happen to them. The processes and the signals are real."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

import bailiwick
from bailiwick.clock import SystemClock
from bailiwick.effects import Fidelity, Tool, tool
from bailiwick.errors import BadInput, Defect, Failed, Stopping, ToolFailed, Unavailable, WorkerDied
from bailiwick.testing import VirtualClock, run
from bailiwick.tools import Toolbox
from bailiwick.tools.frames import LIMIT_BYTES
from bailiwick.tools.workers import ProcessActuator, WorkerPool
from tests.unit.tools import acts
from tests.unit.tools.acts import intent

T = TypeVar("T")
Scenario = Callable[[WorkerPool], Awaitable[T]]

ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def with_pool(scenario: Scenario[T], *, size: int = 1, grace: timedelta = timedelta(seconds=5)) -> T:
    """Run ``scenario`` with a pool that is closed after it; nothing of it may be left then."""

    async def whole() -> T:
        pool = WorkerPool(size, SystemClock(), ENVIRONMENT, grace=grace)
        try:
            return await scenario(pool)
        finally:
            pids = pool.pids
            await pool.close()
            assert pool.pids == []
            assert [pid for pid in pids if exists(pid)] == []

    return asyncio.run(whole())


async def act(pool: WorkerPool, asked: Tool, *args: Any, agent: str = "agt_a") -> Any:
    result = await ProcessActuator(asked, pool).act(intent(asked, *args, agent=agent))
    return asked.signature.unpack_result(result.value)


def begin(pool: WorkerPool, asked: Tool, *args: Any, agent: str = "agt_a") -> asyncio.Task[Any]:
    return asyncio.create_task(act(pool, asked, *args, agent=agent))


async def begin_to_hold(pool: WorkerPool, fifo: Path, asked: Tool = acts.hold, *, agent: str = "agt_a") -> tuple[asyncio.Task[Any], int]:
    """A call that will not end by itself, and the process that makes it; returns once the tool runs."""
    os.mkfifo(fifo)
    task = begin(pool, asked, str(fifo), agent=agent)
    return task, int(await asyncio.to_thread(fifo.read_text))


def exists(pid: int) -> bool:
    """Whether there is such a process, were it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(pid: int) -> bool:
    """Wait for the end of any process, a child or not. False if it still runs after half a minute."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)


def script(folder: Path, text: str, *args: str, name: str = "campaign.py") -> subprocess.CompletedProcess[str]:
    """Run ``text`` as a script of its own."""
    (folder / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(Path(bailiwick.__file__).parents[1])}
    return subprocess.run([sys.executable, name, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


# What a call gives


def test_a_tool_runs_in_another_process_and_is_charged_for_it() -> None:
    async def scenario(pool: WorkerPool) -> None:
        assert await act(pool, acts.where) not in (os.getpid(), 0)
        result = await ProcessActuator(acts.burn, pool).act(intent(acts.burn, 300_000))
        assert acts.burn.signature.unpack_result(result.value) == sum(range(300_000))
        assert result.cost.cpu_s > 0
        assert result.cost.wall_s > 0

    with_pool(scenario)


def test_a_tool_in_a_process_may_state_fidelity_and_cost() -> None:
    async def scenario(pool: WorkerPool) -> None:
        result = await ProcessActuator(acts.estimate_energy, pool).act(intent(acts.estimate_energy))
        assert acts.estimate_energy.signature.unpack_result(result.value) == 12.2
        assert result.fidelity is Fidelity.APPROXIMATE
        assert (result.cost.usd, result.cost.tokens, result.cost.wall_s) == (0.5, 3, 60.0)

    with_pool(scenario)


def test_an_exception_keeps_its_type_its_message_and_its_traceback() -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(acts.Precipitated) as caught:
            await act(pool, acts.precipitate, "vessel 3")
        assert caught.value.args == ("vessel 3", 7)
        (note,) = caught.value.__notes__
        assert "in precipitate\n    raise Precipitated(vessel, 7)" in note
        assert "worker.py" not in note  # How it was called is not its affair.

    with_pool(scenario)


def test_what_goes_wrong_in_a_call_leaves_the_worker_as_it_was() -> None:
    async def scenario(pool: WorkerPool) -> None:
        before = await act(pool, acts.where)
        with pytest.raises(ToolFailed, match="SystemExit: enough"):
            await act(pool, acts.give_up)
        with pytest.raises(Failed, match="promise_a_number returned 'many'"):
            await act(pool, acts.promise_a_number)
        with pytest.raises(BadInput, match="weigh"):
            await ProcessActuator(acts.weigh, pool).act(intent(acts.burn, 3))
        assert await act(pool, acts.where) == before

    with_pool(scenario)


def test_what_a_tool_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(pool: WorkerPool) -> None:
        await act(pool, acts.speak, "bubbling")
        assert capfd.readouterr() == ("", "bubbling\n")  # Already, not only when the worker ends.

    with_pool(scenario)


def test_workers_use_one_thread_each_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: WorkerPool) -> str | None:
        return await act(pool, acts.variable, "OMP_NUM_THREADS")

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert with_pool(scenario) == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert with_pool(scenario) == "3"


def test_large_arguments_and_results_cross_and_larger_ones_are_refused() -> None:
    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        large = LIMIT_BYTES - 2**16
        assert await act(pool, acts.weigh, bytes(large)) == large
        assert len(await act(pool, acts.blob, large)) == large
        with pytest.raises(BadInput, match=r"the arguments of weigh have 64.0 MiB; at most 64.0 MiB"):
            await act(pool, acts.weigh, bytes(LIMIT_BYTES))
        with pytest.raises(Failed, match=r"the answer has 64.0 MiB; at most 64.0 MiB"):
            await act(pool, acts.blob, LIMIT_BYTES)
        assert await act(pool, acts.where) == pid

    with_pool(scenario)


def test_workers_serve_in_virtual_time_and_idle_ones_do_not_hold_it_up() -> None:
    async def scenario() -> int:
        clock = VirtualClock()
        toolbox = Toolbox(clock, workers=1)
        pids = {acts.where.signature.unpack_result((await toolbox.actuator(acts.where).act(intent(acts.where))).value) for _ in range(2)}
        await clock.sleep(timedelta(hours=1))  # Real time, if the loop took an idle worker for one at work.
        await toolbox.close()
        assert clock.monotonic_ns() == timedelta(hours=1) / timedelta(microseconds=1) * 1000
        return len(pids)

    assert run(scenario(), patience=timedelta(seconds=60)) == 1


# Which worker makes it


def test_there_are_never_more_workers_than_there_may_be(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        first, a = await begin_to_hold(pool, tmp_path / "a", agent="agt_a")
        second, b = await begin_to_hold(pool, tmp_path / "b", agent="agt_b")
        third = begin(pool, acts.where, agent="agt_c")
        await asyncio.sleep(0)
        assert pool.pids == sorted({a, b})
        first.cancel()
        await asyncio.sleep(0)
        assert len(pool.pids) == 2  # The first is dying, and takes a place until it is gone.
        assert await third not in (a, b)
        second.cancel()

    with_pool(scenario, size=2)


def test_an_agent_gets_the_worker_it_used_last_if_that_is_idle(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        a, b = await asyncio.gather(act(pool, acts.where, agent="agt_a"), act(pool, acts.where, agent="agt_b"))
        assert a != b
        for agent, pid in (("agt_a", a), ("agt_b", b), ("agt_b", b), ("agt_a", a), ("agt_b", b)):
            assert await act(pool, acts.where, agent=agent) == pid
        # The one idle longest is taken by who has none, and then is the one it used last.
        assert await act(pool, acts.where, agent="agt_c") == a
        held, pid = await begin_to_hold(pool, tmp_path / "a", agent="agt_a")
        assert pid == a
        assert await act(pool, acts.where, agent="agt_c") == b
        held.cancel()

    with_pool(scenario, size=2)


def test_those_who_wait_are_served_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    path = tmp_path / "order"

    async def scenario(pool: WorkerPool) -> None:
        await asyncio.gather(*(act(pool, acts.note, str(path), str(number), agent=f"agt_{number}") for number in range(6)))

    with_pool(scenario)
    assert path.read_text().split() == ["0", "1", "2", "3", "4", "5"]


def test_who_gives_up_waiting_costs_nobody_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "order"

    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        waiting = [begin(pool, acts.note, str(path), str(number)) for number in range(4)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        waiting[2].cancel()
        await asyncio.wait(waiting)
        assert await act(pool, acts.where) == pid

    with_pool(scenario)
    assert path.read_text().split() == ["0", "3"]


def test_a_worker_handed_to_someone_who_gives_up_in_that_moment_is_not_lost() -> None:
    async def scenario(pool: WorkerPool) -> None:
        loop = asyncio.get_running_loop()
        pid = await act(pool, acts.where)
        first, second = begin(pool, acts.where), begin(pool, acts.where)

        def watch() -> None:
            # Runs before anything else in each turn of the loop: so between the hand-over and the moment the second takes notice.
            if first.done():
                second.cancel()
            else:
                loop.call_soon(watch)

        loop.call_soon(watch)
        with pytest.raises(asyncio.CancelledError):
            await second
        assert await act(pool, acts.where) == pid

    with_pool(scenario)


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
        (b"\x00\x00\x00\x17\x82\xa4type\xa5ready\xa8protocol\x01", "it is ready, twice"),
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
        with pytest.raises(Unavailable, match="no worker process could be started .*/nowhere/python"):
            await act(pool, acts.where)
        monkeypatch.undo()
        assert await act(pool, acts.where) > 0

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


def test_a_module_that_a_worker_cannot_import_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "brittle.py").write_text(
        "import os\nfrom bailiwick.effects import tool\n"
        "if os.environ.get('BRITTLE'):\n    import no_such_library\n\n"
        "@tool(effect='pure', where='process')\ndef weigh() -> int:\n    return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import brittle  # type: ignore[import-not-found]

    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        for _ in range(2):
            with pytest.raises(
                Failed, match=r"cannot import brittle \(.*brittle.py\): ModuleNotFoundError: No module named 'no_such_library'"
            ):
                await act(pool, brittle.weigh)
        assert await act(pool, acts.where) == pid  # Nothing was started anew for it.

    monkeypatch.setenv("BRITTLE", "1")
    with_pool(scenario)
    del sys.modules["brittle"]


def test_a_function_that_a_worker_does_not_find_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(Failed, match=r"tests.unit.tools.acts \(.*acts.py\) has no function mirage in a worker process"):
            await act(pool, acts.mirage)

    monkeypatch.setenv("ACTS_WITHOUT_MIRAGE", "1")
    with_pool(scenario)


def test_a_function_without_a_name_of_its_own_is_refused_before_it_is_asked_for() -> None:
    @tool(effect="pure", where="process")
    def local() -> None: ...

    with pytest.raises(BadInput, match="define .*local at module level"):
        ProcessActuator(local, WorkerPool(1, SystemClock(), ENVIRONMENT))


# How a pool ends


def test_closing_stops_calls_leaves_them_open_and_refuses_more(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        await asyncio.gather(act(pool, acts.where, agent="agt_a"), act(pool, acts.where, agent="agt_b"))
        held, pid = await begin_to_hold(pool, tmp_path / "a", agent="agt_a")
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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(bailiwick.__file__).parents[1]), os.getcwd()])}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pids = [int(pid) for pid in host.stdout.readline().split()]
        busy = int((tmp_path / "fifo").read_text())  # It runs by now.
        assert busy in pids
        assert len(pids) == 2
        host.kill()
        assert [pid for pid in pids if not ended(pid)] == []


# Scripts

SCRIPT = """
import asyncio, os, sys
from bailiwick.clock import SystemClock
from bailiwick.effects import tool
from bailiwick.tools import Toolbox
from tests.unit.tools.acts import intent

class Odd(Exception):
    pass

@tool(effect="pure", where="process")
def check(number: int) -> int:
    if number % 2:
        raise Odd(number)
    return os.getpid()

async def main():
    toolbox = Toolbox(SystemClock(), workers=1)
    act = toolbox.actuator(check).act
    try:
        print(check.signature.unpack_result((await act(intent(check, 2))).value) != os.getpid())
        await act(intent(check, 3))
    except Odd as error:
        print("odd", *error.args)
    finally:
        await toolbox.close()
"""


@pytest.fixture
def _tests_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOT", os.getcwd())


def _script(text: str) -> str:
    return "import os, sys; sys.path.append(os.environ['ROOT'])\n" + text


@pytest.mark.usefixtures("_tests_in_reach")
def test_a_tool_of_a_script_runs_in_a_worker_and_its_exceptions_keep_their_type(tmp_path: Path) -> None:
    done = script(tmp_path, _script(SCRIPT + '\nif __name__ == "__main__":\n    asyncio.run(main())\n'))
    assert (done.stdout, done.stderr, done.returncode) == ("True\nodd 3\n", "", 0)


@pytest.mark.usefixtures("_tests_in_reach")
def test_a_script_that_starts_itself_again_in_its_workers_is_told_and_stopped(tmp_path: Path) -> None:
    done = script(tmp_path, _script(SCRIPT + "\nasyncio.run(main())\n"))
    assert done.returncode == 1
    assert 'outside functions and `if __name__ == "__main__":` is done in every worker' in done.stderr
    assert "Defect: a worker process may not start workers" in done.stderr


def test_a_tool_of_a_session_without_a_file_is_refused(tmp_path: Path) -> None:
    program = """
from bailiwick.clock import SystemClock
from bailiwick.effects import tool
from bailiwick.tools import Toolbox
@tool(effect="pure", where="process")
def check() -> None: ...
try:
    Toolbox(SystemClock()).actuator(check)
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(bailiwick.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("BadInput the tool check is defined in an interactive session")


def test_a_module_loaded_from_its_path_is_found_by_its_path(tmp_path: Path) -> None:
    """As `bailiwick run FILE` loads it: under a name that leads nowhere, or, here, to something else."""
    import importlib.util

    path = tmp_path / "anything.py"
    path.write_text(
        "from bailiwick.effects import tool\n\n@tool(effect='pure', where='process')\ndef home() -> str:\n    return __file__\n"
    )
    spec = importlib.util.spec_from_file_location("antigravity", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["antigravity"] = module
    try:
        spec.loader.exec_module(module)
        assert with_pool(lambda pool: act(pool, module.home)) == str(path)
    finally:
        del sys.modules["antigravity"]


def test_a_worker_may_not_have_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bailiwick.tools.worker._serving", True)
    with pytest.raises(Defect, match="a worker process may not start workers"):
        Toolbox(SystemClock())
