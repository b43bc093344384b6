"""Tools in the event loop and in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from bailiwick.clock import Clock, SystemClock
from bailiwick.effects import Cost, Fidelity, Obtained, Tool, compensable, tool
from bailiwick.errors import BadInput, Failed, Stopping, ToolFailed
from bailiwick.testing import VirtualClock, run
from bailiwick.tools import Toolbox
from tests.unit.tools.acts import intent

T = TypeVar("T")


class Ticking(Clock):
    """A second passes each time somebody looks."""

    def __init__(self) -> None:
        self._now_ns = 0

    def now_ns(self) -> int:
        self._now_ns += 1_000_000_000
        return self._now_ns

    monotonic_ns = now_ns

    async def sleep(self, duration: Any) -> None:
        raise NotImplementedError


def with_toolbox(scenario: Callable[[Toolbox], Awaitable[T]], *, clock: Clock | None = None, threads: int = 2) -> T:
    async def whole() -> T:
        toolbox = Toolbox(clock or SystemClock(), threads=threads)
        try:
            return await scenario(toolbox)
        finally:
            await toolbox.close()

    return asyncio.run(whole())


def act(asked: Tool, *args: Any, clock: Clock | None = None, **kwargs: Any) -> Any:
    return with_toolbox(lambda toolbox: toolbox.actuator(asked).act(intent(asked, *args, **kwargs)), clock=clock)


@tool(effect="pure")
async def double(number: int, times: int = 1) -> int:
    return number * 2**times


@tool(effect="pure")
def halve(number: int) -> float:
    return number / 2


@tool(effect="pure", where="loop")
def negate(number: int) -> int:
    return -number


@pytest.mark.parametrize(("asked", "value"), [(double, 14), (halve, 3.5), (negate, -7)])
def test_a_tool_gets_its_arguments_and_its_result_comes_back(asked: Tool, value: object) -> None:
    assert asked.signature.unpack_result(act(asked, 7).value) == value


def test_an_argument_that_was_not_given_has_its_default() -> None:
    assert double.signature.unpack_result(act(double, 7, times=2).value) == 28


@pytest.mark.parametrize("asked", [double, halve, negate])
def test_wall_time_is_what_the_clock_says(asked: Tool) -> None:
    assert act(asked, 1, clock=Ticking()).cost.wall_s == 1.0


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_a_plain_function_is_charged_its_processor_time(where: Any) -> None:
    @tool(effect="pure", where=where)
    def burn() -> int:
        return sum(range(300_000))

    assert act(burn).cost.cpu_s > 0


def test_a_coroutine_is_not_charged_processor_time_that_may_be_that_of_others() -> None:
    @tool(effect="pure")
    async def wait() -> None:
        sum(range(300_000))

    assert act(wait).cost.cpu_s == 0


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_a_tool_may_state_fidelity_and_cost(where: Any) -> None:
    @tool(effect="pure", where=where)
    def ask_model() -> str:
        return Obtained("yes", fidelity=Fidelity.CACHED, cost=Cost(tokens=12, usd=0.25, wall_s=60.0))  # type: ignore[return-value]

    result = act(ask_model)
    assert ask_model.signature.unpack_result(result.value) == "yes"
    assert result.fidelity is Fidelity.CACHED
    assert (result.cost.tokens, result.cost.usd, result.cost.wall_s) == (12, 0.25, 60.0)


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_what_is_measured_fills_what_the_tool_does_not_state(where: Any) -> None:
    @tool(effect="pure", where=where)
    def ask_model() -> str:
        return Obtained("yes", cost=Cost(tokens=12))  # type: ignore[return-value]

    assert act(ask_model, clock=Ticking()).cost.wall_s == 1.0


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_a_result_of_the_wrong_type_is_a_failure(where: Any) -> None:
    @tool(effect="pure", where=where)
    def count() -> int:
        return "many"  # type: ignore[return-value]

    with pytest.raises(Failed, match="count returned 'many'"):
        act(count)


@pytest.mark.parametrize("where", ["loop", "thread"])
@pytest.mark.parametrize("error", [LookupError("gone"), StopIteration("gone"), BadInput("gone")])
def test_what_a_tool_raises_reaches_the_caller(where: Any, error: Exception) -> None:
    @tool(effect="pure", where=where)
    def fail() -> None:
        raise error

    # A coroutine cannot let StopIteration out: Python makes it a RuntimeError whose cause it is.
    with pytest.raises((type(error), RuntimeError)) as caught:
        act(fail)
    assert caught.value is error or caught.value.__cause__ is error


def test_what_a_coroutine_raises_reaches_the_caller() -> None:
    @tool(effect="pure")
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        act(fail)


@pytest.mark.parametrize("where", ["loop", "thread"])
def test_a_tool_that_calls_exit_does_not_end_the_host(where: Any) -> None:
    @tool(effect="pure", where=where)
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(ToolFailed, match=r"leave called sys.exit\(3\)"):
        act(leave)


def test_a_thread_that_raises_cancelled_does_not_cancel_the_caller() -> None:
    @tool(effect="pure")
    def confuse() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ToolFailed, match="confuse raised CancelledError"):
        act(confuse)


def test_arguments_of_the_wrong_type_are_refused_before_the_tool_runs() -> None:
    ran: list[int] = []

    @tool(effect="pure")
    def keep(number: int) -> None:
        ran.append(number)

    with pytest.raises(BadInput, match="keep"):
        act(keep, "seven")
    assert ran == []


def test_a_blocking_tool_does_not_stall_the_loop() -> None:
    let_go = threading.Event()

    @tool(effect="pure")
    def wait() -> None:
        assert let_go.wait(30)

    async def scenario(toolbox: Toolbox) -> None:
        task = asyncio.create_task(toolbox.actuator(wait).act(intent(wait)))
        await asyncio.sleep(0)
        let_go.set()  # Never, if the loop were stalled.
        await task

    with_toolbox(scenario)


def test_no_more_threads_run_than_there_may_be() -> None:
    at_work, most = 0, 0
    counting = threading.Lock()
    both = threading.Barrier(2, timeout=30)

    @tool(effect="pure")
    def meet() -> None:
        nonlocal at_work, most
        with counting:
            at_work += 1
            most = max(most, at_work)
        both.wait()
        with counting:
            at_work -= 1

    async def scenario(toolbox: Toolbox) -> None:
        await asyncio.gather(*(toolbox.actuator(meet).act(intent(meet)) for _ in range(8)))

    with_toolbox(scenario, threads=2)
    assert most == 2


def test_cancelling_before_a_thread_is_free_means_the_tool_never_runs() -> None:
    ran: list[str] = []
    begun, let_go = threading.Event(), threading.Event()

    @tool(effect="pure")
    def work(name: str) -> None:
        ran.append(name)
        begun.set()
        assert let_go.wait(30)

    async def scenario(toolbox: Toolbox) -> None:
        first = asyncio.create_task(toolbox.actuator(work).act(intent(work, "first")))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(toolbox.actuator(work).act(intent(work, "second")))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        let_go.set()
        await first

    with_toolbox(scenario, threads=1)
    assert ran == ["first"]


def test_cancelling_a_thread_that_runs_lets_it_go_on() -> None:
    begun, let_go, done = threading.Event(), threading.Event(), threading.Event()

    @tool(effect="pure")
    def work() -> None:
        begun.set()
        assert let_go.wait(30)
        done.set()

    async def scenario(toolbox: Toolbox) -> None:
        task = asyncio.create_task(toolbox.actuator(work).act(intent(work)))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not done.is_set()
        let_go.set()

    with_toolbox(scenario)  # Closing waits for it.
    assert done.is_set()


def test_cancelling_in_the_loop_cancels_the_tool() -> None:
    stopped: list[str] = []

    @tool(effect="pure")
    async def wait() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            stopped.append("in the middle")

    async def scenario(toolbox: Toolbox) -> None:
        task = asyncio.create_task(toolbox.actuator(wait).act(intent(wait)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with_toolbox(scenario)
    assert stopped == ["in the middle"]


def test_closing_leaves_open_what_no_thread_has_begun() -> None:
    begun, let_go = threading.Event(), threading.Event()

    @tool(effect="pure")
    def work() -> str:
        begun.set()
        assert let_go.wait(30)
        return "done"

    async def scenario() -> None:
        toolbox = Toolbox(SystemClock(), threads=1)
        actuator = toolbox.actuator(work)
        first = asyncio.create_task(actuator.act(intent(work)))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(actuator.act(intent(work)))
        await asyncio.sleep(0)
        closing = asyncio.create_task(toolbox.close())
        with pytest.raises(Stopping):
            await second
        let_go.set()
        await closing
        assert work.signature.unpack_result((await first).value) == "done"
        with pytest.raises(Stopping):
            await actuator.act(intent(work))

    asyncio.run(scenario())


def test_an_actuator_holds_what_the_tool_estimates() -> None:
    @tool(effect=compensable(undo=lambda: None), estimate=Cost(usd=2.0))
    def order() -> None: ...

    async def scenario(toolbox: Toolbox) -> None:
        assert toolbox.actuator(order).estimate == Cost(usd=2.0)
        assert toolbox.actuator(order) is toolbox.actuator(order)

    with_toolbox(scenario)


def test_threads_work_in_virtual_time() -> None:
    async def scenario() -> float:
        toolbox = Toolbox(VirtualClock())
        result = await toolbox.actuator(halve).act(intent(halve, 7))
        await toolbox.close()
        await toolbox.close()
        return halve.signature.unpack_result(result.value)

    assert run(scenario()) == 3.5


@pytest.mark.parametrize("sizes", [{"workers": 0}, {"threads": 0}])
def test_a_toolbox_in_which_nothing_could_run_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="at least 1"):
        Toolbox(SystemClock(), **sizes)
