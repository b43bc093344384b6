"""A run whose code changed goes on with the new code from its last seal; what the old code did stays on record."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest

from bailiwick import Agent, Bailiwick, Handle, action, tool
from bailiwick.bailiff import Recording, Step, migrate, plan_migration, replay
from bailiwick.charter import Charter, compile_charter
from bailiwick.clock import SystemClock
from bailiwick.effects import Outcome, Settler, Status
from bailiwick.errors import DuplicateIntent, Refused, ReplayDiverged
from bailiwick.gateway import Authority, Gateway
from bailiwick.grants import Budget, Purse
from bailiwick.ids import EffectId, run_of
from bailiwick.testing import VirtualClock, run
from tests.unit.bailiff.forks import NAME, recorded, recording, settings
from tests.worlds import KeptLedger, bare_world, copy_of, intents

done: Counter[str] = Counter()
letter = "b"


@tool(effect="idempotent")
async def write(text: str) -> int:
    done[text] += 1
    return len(text)


@tool(effect="read")
async def look(text: str) -> str:
    return text


class Other(Agent):
    @action
    async def echo(self, text: str) -> str:
        await self.use(write, f"echo {text}")
        return await self.use(look, text)


class Worker(Agent):
    number: int = 0
    told: int = 0
    other: Handle[Other] | None = None

    @action
    async def work(self, upto: int) -> int:
        while self.number < upto:
            if self.other is None:
                self.other = await self.launch(Other)
            await self.use(write, f"a{self.number}")
            await self.other.echo(letter)
            await self.use(write, f"{letter}{self.number}")
            self.number += 1
            await self.seal()
        return self.number

    @action
    async def tell(self, number: int) -> int:
        self.told += number
        return self.told


async def main(bw: Bailiwick, upto: int) -> int:
    worker = await bw.launch(Worker)
    return await worker.work(upto)


@pytest.fixture(autouse=True)
def fresh() -> Any:
    global letter
    done.clear()
    letter = "b"
    yield
    letter = "b"


def resumed(ledger: KeptLedger, code: Any = main) -> Any:
    async def whole() -> Any:
        async with bare_world(ledger) as bw:
            return await bw.resume(code, name=NAME)

    return run(whole())


def put(ledger: KeptLedger, plan: Any) -> None:
    """What `migrate` does, on a ledger in memory."""
    with patch("bailiwick.bailiff.migrating.open_record", lambda *_: nullcontext(ledger)):
        asyncio.run(migrate(settings(), plan, "ada", SystemClock()))


def work_of(ledger: KeptLedger) -> str:
    return run_of(intents(ledger, "Worker.work")[0].id)


def test_migrated_from_any_moment_the_run_ends_with_the_new_code() -> None:
    global letter
    whole, _ = recorded(main, 4)
    opened = next(n for n, entry in enumerate(whole.entries(), 1) if getattr(entry.record, "tool", "") == "Worker.work")
    for first in range(opened, whole.head().seq - 2):
        letter = "c"
        done.clear()
        part = copy_of(whole, first=first)
        found = Recording(part, work_of(part))
        plan = plan_migration(found, main, 7)
        asked = {effect.intent.id for effect in plan.unread}
        sealed = plan.seal.runs[found.run].asked
        put(part, plan)
        assert resumed(part) == 4, first
        behind = sum(1 for seq, seal in found.seals if seal.runs)
        assert [done[f"a{number}"] for number in range(4)] == [0] * behind + [1] * (4 - behind), first
        assert [done[f"c{number}"] for number in range(4)] == [0] * behind + [1] * (4 - behind), first
        assert (sealed > 0) == (behind > 0)
        assert all(effect.outcome is not None for effect in recording(part).effects.values() if effect.intent.id in asked), first
        steps: list[Step] = []
        replayed = replay(settings(), recording(part), main, steps.append)
        assert replayed.reproduced, (first, replayed.why)
        assert all(step.position.startswith("g1.") for step in steps if step.run == found.run)
        letter = "b"


def test_without_a_migration_changed_code_is_a_defect_with_both_questions() -> None:
    global letter
    whole, _ = recorded(main, 4)
    letter = "c"
    part = copy_of(whole, first=whole.head().seq - 6)
    with pytest.raises(ReplayDiverged, match=r"asks `ask .*echo.*\"c\".*the record holds `ask .*echo.*\"b\".*runs migrate run_") as raised:
        resumed(part)
    assert raised.value.exit_code == 7


def test_a_plan_names_what_is_not_read_any_more_and_what_changed_the_world() -> None:
    whole, _ = recorded(main, 2)
    entries = list(whole.entries())
    opened = next(n for n, entry in enumerate(entries, 1) if getattr(entry.record, "tool", "") == "look")
    part = copy_of(whole, first=opened)  # The other agent looks, inside an ask of the worker.
    plan = plan_migration(Recording(part, work_of(part)), main, 7)
    assert plan.seal_seq == 0
    assert [effect.intent.tool for effect in plan.unread] == ["Other", "write", "Other.echo", "write", "look"]
    assert [effect.intent.tool for effect in plan.changed_the_world] == ["write", "write"]
    assert [intent.tool for intent in plan.cancelled] == ["Other.echo", "look"]
    assert plan.doubtful == plan.forgotten == ()
    assert plan.code_then == plan.code_now != ""
    put(part, plan)
    outcomes = [part.find(intent.id) for intent in plan.cancelled]
    assert {past.outcome.status for past in outcomes} == {Status.CANCELLED}  # type: ignore[union-attr]
    settlement = outcomes[0].outcome.settlement  # type: ignore[union-attr]
    assert (settlement.by, settlement.who) == (Settler.PERSON, "ada")
    assert "migration" in settlement.why


def test_a_root_begins_anew_or_goes_on_at_its_steps() -> None:
    async def stepping(bw: Bailiwick, upto: int) -> int:
        worker = await bw.launch(Worker)
        async for number in bw.steps(range(upto), every=1):
            await bw.use(write, f"{letter}{number}")
        return await worker.tell(1)

    global letter
    whole, _ = recorded(stepping, 5)
    letter = "c"
    part = copy_of(whole, first=whole.head().seq - 6)
    plan = plan_migration(recording(part), stepping, 7)
    assert plan.entry.step > 0
    put(part, plan)
    assert resumed(part, stepping) == 1
    assert [done[f"c{number}"] for number in range(5)] == [0] * plan.entry.step + [1] * (5 - plan.entry.step)
    early = copy_of(whole, first=4)
    begun = plan_migration(recording(early), stepping, 7)
    assert (begun.entry.asked, begun.entry.generation, begun.seal_seq) == (0, 1, 0)
    put(early, begun)
    done.clear()
    assert resumed(early, stepping) == 1
    assert all(done[f"c{number}"] == 1 for number in range(5))


def test_a_run_can_be_migrated_twice() -> None:
    global letter
    whole, _ = recorded(main, 4)
    part = copy_of(whole, first=whole.head().seq - 8)
    for generation in (1, 2):
        plan = plan_migration(Recording(part, work_of(part)), main, 7)
        assert plan.entry.generation == generation
        put(part, plan)
    letter = "c"
    done.clear()
    assert resumed(part) == 4
    assert done["c3"] == 1
    assert {intent.position[:3] for intent in intents(part, "write") if intent.run == work_of(part)} >= {"g2."}


def test_what_has_ended_or_was_never_asked_cannot_be_migrated() -> None:
    whole, _ = recorded(main, 1)
    with pytest.raises(Refused, match="is done"):
        plan_migration(recording(whole), main, 7)
    with pytest.raises(Refused, match="is done"):
        plan_migration(Recording(whole, work_of(whole)), main, 7)


def test_a_migration_is_on_record_whole_or_not_at_all() -> None:
    whole, _ = recorded(main, 2)
    part = copy_of(whole, first=whole.head().seq - 9)
    plan = plan_migration(Recording(part, work_of(part)), main, 7)
    before = part.head().seq
    gateway = Gateway(part, Authority(compile_charter(Charter()), Purse(Budget())), VirtualClock())
    fits = Outcome(id=intents(part, "Worker.work")[0].id, status=Status.CANCELLED)
    with pytest.raises(DuplicateIntent, match="no intent"):
        gateway.supersede([fits, Outcome(id=EffectId("eff_x"), status=Status.CANCELLED)], plan.seal)
    assert part.head().seq == before
