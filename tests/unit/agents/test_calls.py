"""Calls that end in other ways than with a result: failure, deadline, cancellation, streams, silence."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bailiwick.bailiff import Bailiwick
from bailiwick.errors import ActionFailed, DeadlineExceeded, NoSuchAgent
from tests.unit.agents.lab import Lab, Particular, Sample
from tests.worlds import within


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
            Particular.__module__ = Lab.__module__
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
