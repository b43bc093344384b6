"""However a try came to begin, whatever stands on record is durable when it acts: another crash must find that it began (invariant 1)."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick import NOT_HAPPENED, Bailiwick, Charter, Retry, Rule, compensable, tool
from bailiwick.effects import Attempt, Record, Settlement, Settler, Tool
from bailiwick.errors import Unavailable
from bailiwick.testing import run
from tests.worlds import KeptLedger, bare_world, copy_of, intents, records

EVERYTHING = Charter(allow=(Rule(),))
BY_HAND = Settlement(by=Settler.PERSON, who="ada", why="it is not in the book")


class Watched(KeptLedger):
    """Knows whether everything on it is durable."""

    is_durable = True

    def append(self, *appended: Record) -> int:
        self.is_durable = False
        return super().append(*appended)

    async def barrier(self) -> None:
        self.is_durable = True
        await super().barrier()


class World:
    """Where tries are counted, and whether all that was on record was durable when each began."""

    def __init__(self) -> None:
        self.ledger = Watched()
        self.found: list[bool] = []

    def act(self) -> int:
        self.found.append(self.ledger.is_durable)
        return len(self.found)


def through(world: World, act: Tool, *, resume: bool) -> Any:
    async def main(bw: Bailiwick) -> Any:
        return await bw.use(act)

    async def whole() -> Any:
        async with bare_world(world.ledger, charter=EVERYTHING) as bw:
            return await (bw.resume(main, name="main") if resume else bw.run(main, name="main"))

    return run(whole())


def cut(world: World, act: Tool, *settled: Attempt) -> None:
    """What a crash leaves behind that comes after the intent, and what somebody said of it since."""
    (intent,) = intents(world.ledger, act.name)
    seq = next(seq for seq, record in enumerate(records(world.ledger), 1) if record == intent)
    kept = copy_of(world.ledger, first=seq)
    world.ledger = Watched()
    for record in [*records(kept), *settled]:
        world.ledger.append(record)


def test_the_first_try_and_the_one_after_a_failure_are() -> None:
    world = World()

    @tool(effect="irreversible", retry=Retry(attempts=3))
    async def act() -> int:
        if world.act() < 3:
            raise Unavailable("later")
        return 3

    assert through(world, act, resume=False) == 3
    assert world.found == [True, True, True]


def _undo() -> None:
    """Takes nothing back."""


@pytest.mark.parametrize(
    "declared",
    [{"effect": "idempotent"}, {"effect": "irreversible", "probe": lambda: NOT_HAPPENED}, {"effect": compensable(undo=_undo)}],
    ids=["repeatable", "probed", "compensated"],
)
def test_the_try_after_a_crash_is(declared: dict[str, Any]) -> None:
    world = World()

    @tool(**declared)
    async def act() -> int:
        return world.act()

    through(world, act, resume=False)
    cut(world, act)
    assert through(world, act, resume=True) == 2
    assert world.found == [True, True]


def test_the_try_that_a_person_allowed_is() -> None:
    world = World()

    @tool(effect="irreversible")
    async def act() -> int:
        return world.act()

    through(world, act, resume=False)
    (intent,) = intents(world.ledger, "act")
    cut(world, act, Attempt(id=intent.id, number=2, begun=False, settlement=BY_HAND))
    assert through(world, act, resume=True) == 2
    assert world.found == [True, True]
