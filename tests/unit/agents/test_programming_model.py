from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bailiwick import Agent, Handle, action, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.errors import ActionFailed, BadInput, DeadlineExceeded, Failed, NoSuchAction, NoSuchAgent, Refused, Unencodable
from tests.worlds import within


class Sample(msgspec.Struct, frozen=True):
    name: str
    mass_kg: float


class Particular(Exception):
    def __init__(self, *, detail: str) -> None:
        super().__init__(f"particular: {detail}")


class Lab(Agent):
    count: int = 0
    notes: list[str] = []
    friend: Handle[Lab] | None = None
    _cache: Any = None

    @action
    async def weigh(self, sample: Sample, times: int = 1) -> float:
        return sample.mass_kg * times

    @action
    async def lie(self) -> int:
        return "not a number"  # type: ignore[return-value]

    @action
    async def note(self, text: str) -> list[str]:
        self.notes.append(text)
        return self.notes

    @action(exclusive=True)
    async def slow_increment(self) -> int:
        before = self.count
        await asyncio.sleep(1)
        self.count = before + 1
        return self.count

    @action
    async def sleep(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        self.notes.append("slept")
        return "slept"

    @action
    async def fail(self, how: str) -> None:
        if how == "key":
            raise KeyError("missing")
        if how == "timeout":
            raise TimeoutError("its own")
        raise Particular(detail=how)

    @action
    async def count_to(self, limit: int) -> AsyncIterator[int]:
        for number in range(limit):
            if number == 999:
                raise ValueError("far enough")
            yield number

    @action
    async def ask_friend(self, friend: Handle[Lab], text: str) -> list[str]:
        self.friend = friend
        return await friend.note(text)

    @action
    async def launch_child(self) -> Handle[Lab]:
        return await self.launch(Lab, name="child", count=7)

    @action
    async def read_count(self) -> int:
        return self.count

    @action
    async def block(self, value: int) -> int:
        return await self.run_blocking(lambda: value + 1)

    @action
    async def seal_from_an_action(self) -> None:
        await self.checkpoint()

    async def not_an_action(self) -> None:
        """Nobody outside may call this."""


def test_an_action_takes_and_returns_typed_values() -> None:
    async def scenario(bw: Bailiwick) -> float:
        lab = await bw.launch(Lab)
        return await lab.weigh(Sample("ore", 2.5), times=2)

    assert within(scenario) == 5.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "needs `sample`"),
        (("ore",), "Expected `object`, got `str`"),
        ((Sample("ore", 1.0), "twice"), "Expected `int`, got `str`"),
        ((Sample("ore", 1.0), 1, 2), "takes 2 positional arguments"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_and_leave_no_trace(arguments: tuple[Any, ...], message: str) -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        before = bw.purse.calls["Lab.weigh"]
        with pytest.raises(BadInput, match=message):
            await lab.weigh(*arguments)
        assert bw.purse.calls["Lab.weigh"] == before

    within(scenario)


def test_a_misspelt_argument_names_the_nearest() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(BadInput, match="did you mean `times`"):
            lab.weigh(Sample("ore", 1.0), tmes=2)

    within(scenario)


def test_a_result_of_another_type_than_promised_is_the_actions_failure() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(Failed, match="'not a number'"):
            await lab.lie()

    within(scenario)


def test_what_crosses_a_handle_is_a_copy() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        notes = await lab.note("one")
        notes.append("mine")
        assert await lab.note("two") == ["one", "two"]

    within(scenario)


def test_agents_of_one_class_share_no_default() -> None:
    async def scenario(bw: Bailiwick) -> None:
        first, second = await bw.launch(Lab), await bw.launch(Lab)
        await first.note("first's")
        assert await second.note("second's") == ["second's"]

    within(scenario)


def test_actions_of_one_agent_run_concurrently() -> None:
    async def scenario(bw: Bailiwick) -> float:
        lab = await bw.launch(Lab)
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(lab.sleep(1.0) for _ in range(50)))
        return asyncio.get_running_loop().time() - begun

    assert within(scenario) == pytest.approx(1.0)


def test_an_exclusive_action_runs_alone() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(lab.slow_increment() for _ in range(5)), lab.sleep(1.0))
        assert await lab.read_count() == 5
        assert asyncio.get_running_loop().time() - begun == pytest.approx(6.0)

    within(scenario)


def test_a_cancelled_exclusive_call_lets_the_next_one_in() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        calls = [asyncio.ensure_future(lab.slow_increment()) for _ in range(3)]
        await asyncio.sleep(0.5)
        calls[0].cancel()
        calls[1].cancel()
        assert await calls[2] == 1

    within(scenario)


def test_a_builtin_exception_crosses_with_type_message_and_traceback() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(KeyError, match="missing") as caught:
            await lab.fail("key")
        assert 'raise KeyError("missing")' in caught.value.__notes__[0]

    within(scenario)


def test_an_exception_with_an_unusual_constructor_crosses_too() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(Particular, match="particular: odd"):
            await lab.fail("odd")

    within(scenario)


def test_an_exception_class_nobody_imported_becomes_action_failed() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        Particular.__module__ = "nowhere"
        try:
            with pytest.raises(ActionFailed, match="Particular: particular: far") as caught:
                await lab.fail("far")
        finally:
            Particular.__module__ = __name__
        assert caught.value.facts["type"] == "nowhere:Particular"

    within(scenario)


def test_an_actions_own_timeout_is_not_a_missed_deadline() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(TimeoutError, match="its own"):
            await lab.within(timedelta(seconds=5)).fail("timeout")

    within(scenario)


def test_a_missed_deadline_stops_the_agents_work() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(DeadlineExceeded):
            await lab.within(timedelta(seconds=1)).sleep(10.0)
        await asyncio.sleep(60)
        assert await lab.note("after") == ["after"]

    within(scenario)


def test_cancelling_a_call_stops_the_agents_work() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        call = asyncio.ensure_future(lab.sleep(10.0))
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(60)
        assert await lab.note("after") == ["after"]

    within(scenario)


def test_a_one_way_call_returns_before_the_work_is_done() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        assert await lab.oneway.sleep(5.0) is None
        assert await lab.note("first") == ["first"]
        await asyncio.sleep(6)
        assert await lab.note("last") == ["first", "slept", "last"]

    within(scenario)


def test_a_streaming_action_yields_as_it_goes() -> None:
    async def scenario(bw: Bailiwick) -> list[int]:
        lab = await bw.launch(Lab)
        return [number async for number in lab.count_to(300)]

    assert within(scenario) == list(range(300))


def test_a_stream_that_fails_gives_what_came_before() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        seen: list[int] = []
        with pytest.raises(ValueError, match="far enough"):
            async for number in lab.count_to(2000):
                seen.append(number)
        assert seen == list(range(999))

    within(scenario)


def test_leaving_a_stream_early_stops_the_agents_work() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        stream = lab.count_to(10_000_000)
        async for number in stream:
            if number == 10:
                break
        await stream.aclose()
        await asyncio.sleep(1)
        assert await lab.read_count() == 0

    within(scenario)


def test_a_thousand_calls_may_be_outstanding_on_one_handle() -> None:
    async def scenario(bw: Bailiwick) -> list[float]:
        lab = await bw.launch(Lab)
        return await asyncio.gather(*(lab.weigh(Sample(str(n), float(n))) for n in range(3000)))

    assert within(scenario, mailbox_capacity=100) == [float(n) for n in range(3000)]


def test_a_handle_is_an_argument_and_state() -> None:
    async def scenario(bw: Bailiwick) -> None:
        one, other = await bw.launch(Lab), await bw.launch(Lab)
        assert await one.ask_friend(other, "hello") == ["hello"]
        assert await other.note("again") == ["hello", "again"]

    within(scenario)


def test_a_handle_is_a_result() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        child = await lab.launch_child()
        assert await child.read_count() == 7
        assert bw.discover(Lab, name="child") == [child]

    within(scenario)


def test_state_is_checked_at_launch() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(BadInput, match="did you mean `count`"):
            await bw.launch(Lab, cuont=1)
        with pytest.raises(BadInput, match="Expected `int`, got `str`"):
            await bw.launch(Lab, count="one")

    within(scenario)


class Built(Agent):
    total: int

    def __init__(self, start: int, step: int = 2) -> None:
        self.total = start * step

    @action
    async def get(self) -> int:
        return self.total


def test_a_class_may_have_a_constructor_of_its_own() -> None:
    async def scenario(bw: Bailiwick) -> None:
        assert await (await bw.launch(Built, 21)).get() == 42
        with pytest.raises(BadInput, match="needs `start`"):
            await bw.launch(Built)

    within(scenario)


def test_an_unknown_action_names_the_nearest() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        with pytest.raises(NoSuchAction, match="did you mean `weigh`"):
            await lab.wiegh(Sample("ore", 1.0))
        assert not hasattr(lab, "not_an_action")

    within(scenario)


def test_blocking_code_has_a_place() -> None:
    async def scenario(bw: Bailiwick) -> int:
        return await (await bw.launch(Lab)).block(41)

    assert within(scenario) == 42


def test_a_sync_action_is_refused_where_it_is_declared() -> None:
    with pytest.raises(BadInput, match="write `async def`"):

        class _(Agent):
            @action
            def sync(self) -> None: ...


def test_an_agent_that_was_not_launched_says_so() -> None:
    with pytest.raises(Refused, match="lives nowhere"):
        _ = Lab().id


def test_ping_measures_the_way_there_and_back() -> None:
    async def scenario(bw: Bailiwick) -> None:
        assert await (await bw.launch(Lab)).ping() >= timedelta(0)

    within(scenario)


def test_an_agent_that_was_shut_down_answers_no_more_and_says_why() -> None:
    async def scenario(bw: Bailiwick) -> None:
        lab = await bw.launch(Lab)
        await lab.shutdown()
        await lab.shutdown()
        with pytest.raises(NoSuchAgent, match="it was shut down"):
            await lab.read_count()
        with pytest.raises(NoSuchAgent):
            await lab.ping()
        assert bw.discover(Lab) == []

    within(scenario)


def test_describe_gives_json_schemas() -> None:
    async def scenario(bw: Bailiwick) -> None:
        described = (await bw.launch(Lab)).describe()
        weigh = described["actions"]["weigh"]
        assert weigh["arguments"]["required"] == ["sample"]
        assert weigh["result"] == {"type": "number"}
        assert described["actions"]["count_to"]["streams"] is True

    within(scenario)


def test_an_action_seals_when_it_ends_not_before() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Refused, match="sealed when the action ends"):
            await (await bw.launch(Lab)).seal_from_an_action()

    within(scenario)


def test_a_value_that_cannot_cross_is_refused_with_its_type() -> None:
    @tool(effect="pure")
    async def take(value: Any) -> None:
        """Takes anything the codec knows."""

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Unencodable, match="complex"):
            await bw.use(take, 1j)
        with pytest.raises(Unencodable, match="serialize ints"):
            await bw.use(take, 2**70)

    within(scenario)
