"""What a call in a worker process gives, and which worker makes it."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import pytest

from bailiwick.effects import Fidelity
from bailiwick.errors import BadInput, Failed, ToolFailed
from bailiwick.testing import VirtualClock, run
from bailiwick.tools import Toolbox
from bailiwick.tools.frames import LIMIT_BYTES
from bailiwick.tools.workers import ProcessActuator, WorkerPool
from tests.unit.tools import acts
from tests.unit.tools.acts import intent
from tests.unit.tools.pools import act, begin, begin_to_hold, with_pool

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


def test_a_tool_that_closes_the_streams_of_its_worker_harms_no_call() -> None:
    async def scenario(pool: WorkerPool) -> None:
        pid = await act(pool, acts.where)
        await act(pool, acts.fall_silent)
        assert await act(pool, acts.where) == pid

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
