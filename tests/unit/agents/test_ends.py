"""How things end: stopped while asked, cancelled half done, spent, misdeclared. Each of these once hung, doubled or lied."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Generic, TypeVar

import pytest

from bailiwick import Agent, Budget, Cost, Handle, Obtained, action, loop, timer, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.errors import ActionFailed, BadInput, DeadlineExceeded, Defect, NoSuchAgent
from bailiwick.testing import run
from tests.worlds import KeptLedger, bare_world, within

T = TypeVar("T")


@tool(effect="pure")
async def costly() -> int:
    return Obtained(1, cost=Cost(usd=1.0))  # type: ignore[return-value]


class Ending(Agent):
    total: int = 0

    @action
    async def hang(self) -> None:
        await asyncio.Event().wait()

    @action
    async def add_and_hang(self) -> None:
        self.total += 1
        await asyncio.sleep(1000)

    @action
    async def cancel_itself(self) -> None:
        task = asyncio.ensure_future(asyncio.sleep(10))
        task.cancel()
        await task

    @action
    async def look(self) -> int:
        return self.total

    @action
    async def spoil(self) -> None:
        self.total = 1.5  # type: ignore[assignment]

    @action
    async def open_missing(self) -> None:
        raise FileNotFoundError(2, "No such file or directory", "missing.txt")


def test_whoever_asked_a_stopped_agent_learns_that_it_stopped() -> None:
    async def scenario(bw: Bailiwick) -> None:
        agent = await bw.launch(Ending)
        asked = asyncio.ensure_future(agent.hang())
        await asyncio.sleep(1)
        await agent.shutdown()
        with pytest.raises(NoSuchAgent, match="it was shut down"):
            await asked

    within(scenario)


def test_an_action_that_cancels_itself_has_failed() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(ActionFailed, match="was cancelled before it ended"):
            await (await bw.launch(Ending)).cancel_itself()

    within(scenario)


def test_stopping_in_good_order_seals_no_half_done_change() -> None:
    ledger = KeptLedger()

    async def script(bw: Bailiwick, wait: bool) -> int:
        agent = await bw.launch(Ending)
        asked = asyncio.ensure_future(agent.add_and_hang())
        await asyncio.sleep(1)
        if interrupted:
            raise asyncio.CancelledError
        asked.cancel()
        return await agent.look()

    async def first() -> None:
        async with bare_world(ledger) as bw:
            await bw.run(script, True)

    async def again() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.resume(script)

    interrupted = True
    with pytest.raises(asyncio.CancelledError):
        run(first())
    interrupted = False
    assert run(again()) == 1


def test_a_run_that_has_spent_everything_still_ends_and_resumes() -> None:
    ledger = KeptLedger()

    async def script(bw: Bailiwick) -> int:
        agent = await bw.launch(Ending)
        await bw.use(costly)
        return await agent.look()

    async def once(resumed: bool) -> Any:
        async with bare_world(ledger, budget=Budget(usd=1.0)) as bw:
            return await (bw.resume(script) if resumed else bw.run(script))

    assert [run(once(False)), run(once(True)), run(once(True))] == [0, 0, 0]


def test_a_cost_that_is_no_number_is_refused() -> None:
    with pytest.raises(BadInput, match="a cost is a number from 0 up"):
        Obtained(1, cost=Cost(usd=float("nan")))


def test_state_that_its_hints_forbid_is_a_defect_when_it_is_sealed() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Defect, match=r"Expected `int`, got `float` - at `\$.total`"):
            await (await bw.launch(Ending)).spoil()

    within(scenario)


def test_an_exception_with_a_file_name_keeps_it() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(FileNotFoundError, match="missing.txt") as caught:
            await (await bw.launch(Ending)).open_missing()
        assert caught.value.filename == "missing.txt"

    within(scenario)


def test_a_deadline_holds_while_the_mailbox_is_full() -> None:
    async def scenario(bw: Bailiwick) -> None:
        agent = await bw.launch(Ending)
        blocking = asyncio.ensure_future(agent.hang())
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match="stayed full"):
            await agent.within(timedelta(seconds=1)).look()
        blocking.cancel()

    within(scenario, mailbox_capacity=1)


class Retiring(Agent):
    @loop
    async def retire(self, shutdown: asyncio.Event) -> None:
        await asyncio.sleep(1)
        await self.handle.shutdown()

    @timer(timedelta(seconds=3))
    async def tick(self) -> None:
        await asyncio.sleep(0.5)


def test_a_loop_may_stop_its_own_agent() -> None:
    async def scenario(bw: Bailiwick) -> None:
        agent = await bw.launch(Retiring)
        await asyncio.sleep(2)
        assert bw.discover(Retiring) == []
        with pytest.raises(NoSuchAgent):
            await agent.ping()

    within(scenario)


def test_names_that_handles_have_are_refused() -> None:
    class Rude(Agent):
        @action
        async def shutdown(self) -> None: ...

    class Named(Agent):
        name: str = ""  # type: ignore[assignment]

    async def scenario(bw: Bailiwick) -> None:
        for kind in (Rude, Named):
            with pytest.raises(BadInput, match="of their own; give it another name"):
                await bw.launch(kind)

    within(scenario)


class Box(Agent, Generic[T]):
    @action
    async def open(self) -> str:
        return "open"


def test_a_generic_class_may_be_launched_with_its_parameter() -> None:
    async def scenario(bw: Bailiwick) -> str:
        return await (await bw.launch(Box[int])).open()

    assert within(scenario) == "open"


def test_a_task_that_began_before_the_host_may_receive_handles() -> None:
    class Maker(Agent):
        @action
        async def make(self) -> Handle[Ending]:
            return await self.launch(Ending, total=3)

    async def whole() -> int:
        asked: asyncio.Future[Bailiwick] = asyncio.get_running_loop().create_future()

        async def earlier() -> int:
            bw = await asked
            made = await (await bw.launch(Maker)).make()
            return await made.look()

        task = asyncio.ensure_future(earlier())
        await asyncio.sleep(0)
        async with bare_world() as bw, bw.session():
            asked.set_result(bw)
            return await task

    assert run(whole()) == 3
