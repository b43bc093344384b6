from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bailiwick import Agent, action, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.errors import BadInput, Failed, NoSuchAction, Refused, Unencodable
from tests.unit.agents.lab import Lab, Sample
from tests.worlds import within


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


def test_describe_gives_json_schemas() -> None:
    async def scenario(bw: Bailiwick) -> None:
        described = (await bw.launch(Lab)).describe()
        weigh = described["actions"]["weigh"]
        assert weigh["arguments"]["required"] == ["sample"]
        assert weigh["result"] == {"type": "number"}
        assert described["actions"]["count_to"]["streams"] is True

    within(scenario)


def test_only_the_runs_own_task_can_be_a_boundary() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(Refused, match="the run's own task"):
            await (await bw.launch(Lab)).seal_from_a_task()

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
