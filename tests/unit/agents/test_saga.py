"""Sagas: several effects that are all done, or taken back, the last first, also after a crash at any moment."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bailiwick import Agent, action, codec, compensable, tool
from bailiwick.bailiff import Bailiwick
from bailiwick.charter import Charter, Rule
from bailiwick.effects import IdempotencyKey, Kind
from bailiwick.errors import BadInput, CompensationFailed, InDoubt, Refused, ReplayDiverged
from bailiwick.testing import run
from tests.worlds import KeptLedger, NotedLedger, bare_world, copy_of, intents, outcome_of, records, within

held: dict[str, str] = {}
"""What the world outside holds: by name of the thing, the key of the effect that took it."""
log: list[str] = []


def release(name: str, key: IdempotencyKey, result: str | None) -> None:
    log.append(f"release {name} {'blind' if result is None else result}")
    if name == "stuck":
        raise OSError("the door is shut")
    if held.get(name) == key:
        del held[name]


@tool(effect=compensable(undo=release))
async def take(name: str, key: IdempotencyKey) -> str:
    if name == "slow":
        held[name] = key
        await asyncio.sleep(3600)
    if name == "refused":
        raise Refused("no")
    held[name] = key
    if name == "broken":
        raise ValueError("broke after it took it")
    return name.upper()


@tool(effect="irreversible")
async def send(name: str) -> str:
    if name == "broken":
        raise OSError("not sent")
    log.append(f"send {name}")
    return name


@tool(effect="read")
async def look(name: str) -> str:
    return name


@tool(effect="idempotent")
async def put(name: str) -> str:
    return name


ANYTHING = Charter(allow=(Rule(),))


class Booker(Agent):
    @action
    async def book(self, names: list[str]) -> str:
        async with self.saga() as saga:
            for name in names:
                await saga.use(take, name)
            await saga.use(look, "around")
            raise KeyError("changed my mind")
        return "unreachable"


@pytest.fixture(autouse=True)
def _nothing_held() -> None:
    held.clear()
    log.clear()


def test_a_block_that_ends_well_keeps_what_was_done() -> None:
    async def scenario(bw: Bailiwick) -> str:
        async with bw.saga() as saga:
            await saga.use(take, "a")
            return await saga.use(take, "b")

    assert within(scenario) == "B"
    assert sorted(held) == ["a", "b"]
    assert log == []


def test_a_block_that_raises_has_its_steps_taken_back_the_last_first_and_the_exception_goes_on() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        booker = await bw.launch(Booker)
        with pytest.raises(KeyError, match="changed my mind"):
            await booker.book(["a", "b", "c"])

    within(scenario, ledger)
    assert held == {}
    assert log == ["release c C", "release b B", "release a A"]
    done, undone = intents(ledger, "take"), intents(ledger, "undo take")
    assert [undo.undoes for undo in undone] == [effect.id for effect in reversed(done)]
    assert {(undo.run, undo.agent, undo.kind) for undo in undone} == {(done[0].run, done[0].agent, Kind.UNDO)}


@pytest.mark.parametrize(("last", "blind"), [("broken", ["release broken blind"]), ("refused", [])])
def test_a_step_that_failed_is_taken_back_too_unless_it_says_that_nothing_happened(last: str, blind: list[str]) -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises((ValueError, Refused)):
            async with bw.saga() as saga:
                await saga.use(take, "a")
                await saga.use(take, last)

    within(scenario)
    assert held == {}
    assert log == [*blind, "release a A"]


def test_what_a_deadline_cut_off_is_taken_back_too() -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), bw.saga() as saga:
                await saga.use(take, "a")
                await saga.use(take, "slow")

    within(scenario, ledger)
    assert held == {}
    assert log == ["release slow blind", "release a A"]


def test_steps_side_by_side_are_waited_for_and_taken_back_in_reverse_order_of_asking() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(ValueError, match="broke"):
            async with bw.saga() as saga:
                await asyncio.gather(*(saga.use(take, name) for name in ("a", "broken", "b")))

    within(scenario)
    assert held == {}
    assert log == ["release b B", "release broken blind", "release a A"]


def test_what_could_not_be_taken_back_is_refused_before_anything_happens() -> None:
    async def scenario(bw: Bailiwick) -> None:
        async with bw.saga() as saga:
            for unfit in (send, put):
                with pytest.raises(
                    BadInput, match=r"could not be taken back: declare it compensable\(undo=…\), or do it last, with saga.pivot"
                ):
                    await saga.use(unfit, "a")

    within(scenario, charter=ANYTHING)
    assert log == []


def test_behind_the_pivot_nothing_is_taken_back_and_only_the_repeatable_is_done() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(KeyError):
            async with bw.saga() as saga:
                await saga.use(take, "a")
                assert await saga.pivot(send, "letter") == "letter"
                assert await saga.use(put, "b") == "b"
                with pytest.raises(BadInput, match="stands behind the pivot"):
                    await saga.use(take, "c")
                with pytest.raises(BadInput, match="one pivot"):
                    await saga.pivot(send, "another")
                raise KeyError

    within(scenario, charter=ANYTHING)
    assert list(held) == ["a"]
    assert log == ["send letter"]


def test_a_pivot_that_fails_has_everything_before_it_taken_back() -> None:
    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(OSError, match="not sent"):
            async with bw.saga() as saga:
                await saga.use(take, "a")
                await saga.pivot(send, "broken")

    within(scenario, charter=ANYTHING)
    assert held == {}


def test_an_undo_that_fails_for_good_names_what_stands_and_what_led_to_it(caplog: pytest.LogCaptureFixture) -> None:
    ledger = KeptLedger()

    async def scenario(bw: Bailiwick) -> CompensationFailed:
        with pytest.raises(CompensationFailed, match="`take` .* could not be taken back: the door is shut") as caught:
            async with bw.saga() as saga:
                for name in ("a", "stuck", "b"):
                    await saga.use(take, name)
                raise KeyError("why")
        return caught.value

    error = within(scenario, ledger)
    first, stuck, _ = intents(ledger, "take")
    assert error.facts == {"effect": stuck.id, "stands": [stuck.id, first.id]}
    assert isinstance(error.__cause__, KeyError)
    assert sorted(held) == ["a", "stuck"]
    assert log == ["release b B", *["release stuck STUCK"] * 3]
    assert "could not be taken back, and stands" in caplog.text


def test_a_step_in_doubt_stops_the_run_and_nothing_is_taken_back() -> None:
    @tool(effect=compensable(undo=release))
    async def doubtful(name: str, key: IdempotencyKey) -> str:
        raise InDoubt("who knows")

    async def scenario(bw: Bailiwick) -> None:
        with pytest.raises(InDoubt):
            async with bw.saga() as saga:
                await saga.use(take, "a")
                await saga.use(doubtful, "b")

    within(scenario)
    assert list(held) == ["a"]


def test_a_saga_that_is_over_does_nothing_more() -> None:
    async def scenario(bw: Bailiwick) -> None:
        async with bw.saga() as saga:
            await saga.use(take, "a")
        with pytest.raises(Refused, match="this saga is over"):
            await saga.use(take, "b")

    within(scenario)
    assert list(held) == ["a"]


async def trip(bw: Bailiwick) -> Any:
    booker = await bw.launch(Booker)
    try:
        return await booker.book(["a", "b", "stuck-not", "c"])
    except KeyError as error:
        return str(error)


async def resumed(ledger: KeptLedger) -> Any:
    async with bare_world(ledger) as bw:
        return await bw.resume(trip)


def test_a_crash_after_any_entry_is_gone_on_from_and_nothing_is_taken_back_twice_on_record() -> None:
    ledger = NotedLedger()

    async def whole() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.run(trip)

    result = run(whole())
    undone = [undo.id for undo in intents(ledger, "undo take")]
    assert len(undone) == 4
    names = {taken.id: codec.decode(taken.arguments, dict[str, str])["name"] for taken in intents(ledger, "take")}
    for length in ledger.ends:
        cut = copy_of(ledger, first=length)
        # The world as that crash leaves it: what was asked for is held, unless it is on record as taken back.
        gone = {undo.undoes for undo in intents(cut, "undo take") if outcome_of(cut, undo) is not None}
        held.clear()
        held.update({names[taken.id]: taken.id for taken in intents(cut, "take") if taken.id not in gone})
        assert run(resumed(cut)) == result, f"cut after entry {length}"
        assert [undo.id for undo in intents(cut, "undo take") if "blind" not in undo.position] == undone
        assert held == {}, f"cut after entry {length}"


def test_a_run_that_goes_on_with_a_saga_it_had_begun_to_take_back_stops() -> None:
    ledger = NotedLedger()
    gives_up = True

    async def changeable(bw: Bailiwick) -> str:
        async with bw.saga() as saga:
            await saga.use(take, "a")
            await saga.use(take, "b")
            if gives_up:
                raise KeyError("as a deadline that this time passes")
            return await saga.use(take, "c")

    async def first() -> None:
        async with bare_world(ledger) as bw:
            with pytest.raises(KeyError):
                await bw.run(changeable, name="changeable")

    async def second(cut: KeptLedger) -> None:
        async with bare_world(cut) as bw:
            await bw.resume(changeable, name="changeable")

    run(first())
    gives_up = False
    one_undone = max(end for end in ledger.ends if len(intents(copy_of(ledger, first=end), "undo take")) == 1)
    cut = copy_of(ledger, first=one_undone)
    with pytest.raises(ReplayDiverged, match="had begun to take its saga back"):
        run(second(cut))
    assert len([record for record in records(cut) if getattr(record, "tool", "") == "take"]) == 2
