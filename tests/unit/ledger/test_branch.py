"""A branch shows what a copy of its past would show, and never touches what it left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bailiwick.effects import Intent, Record, Seal
from bailiwick.errors import DuplicateIntent
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger import BranchLedger, Ledger
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import agent, attempt, intent, outcome, seal
from bailiwick.testing.ledger_suite import LedgerSuite


class TestBranchOfNothing(LedgerSuite):
    """A branch that leaves an empty record is a ledger like any other."""

    durable = False

    async def open(self, where: Path) -> Ledger:
        return BranchLedger(MemoryLedger(), 0, MemoryLedger())


def story() -> list[Record]:
    """Effects under way at the same time, tried twice, sealed in between."""
    return [
        intent(1),
        intent(2),
        seal(0, b"first"),
        attempt(2, 2),
        outcome(1),
        seal(1, b"other"),
        intent(3),
        attempt(2, 3),
        outcome(2),
        seal(0, b"second"),
        outcome(3),
    ]


def written(records: list[Record]) -> MemoryLedger:
    ledger = MemoryLedger()
    for record in records:
        ledger.append(record)
    return ledger


def ids(records: list[Record]) -> Iterator[tuple[EffectId, AgentId]]:
    yield from ((record.id, record.agent) for record in records if isinstance(record, Intent))


def shown(ledger: Ledger) -> list[Record]:
    return [entry.record for entry in ledger.entries()]


def test_a_branch_shows_its_past_and_not_what_came_after() -> None:
    whole = story()
    base = written(whole)
    for upto in range(len(whole) + 1):
        branch, copy = BranchLedger(base, upto, MemoryLedger()), written(whole[:upto])
        assert shown(branch) == shown(copy)
        assert branch.head().seq == upto
        for one, _ in ids(whole):
            assert branch.find(one) == copy.find(one), (upto, one)
        for number in (0, 1, 2):
            assert branch.last_seal(agent(number)) == copy.last_seal(agent(number)), (upto, number)
        for after in range(upto + 1):
            assert [entry.seq for entry in branch.entries(after)] == list(range(after + 1, upto + 1))


def test_what_is_written_goes_to_the_branch_alone() -> None:
    whole = story()
    base = written(whole)
    head = base.head()
    for upto in range(1, len(whole)):
        own = MemoryLedger()
        branch = BranchLedger(base, upto, own)
        for record in whole[upto:]:
            branch.append(record)
        assert base.head() == head
        assert shown(branch) == whole
        for one, _ in ids(whole):
            found, there = branch.find(one), base.find(one)
            assert found is not None
            assert there is not None
            assert found[:2] == there[:2]
        again = BranchLedger(base, upto, own)
        assert shown(again) == whole


def test_what_the_past_holds_cannot_be_written_again() -> None:
    branch = BranchLedger(written(story()), 5, MemoryLedger())
    with pytest.raises(DuplicateIntent, match="already"):
        branch.append(intent(2))
    with pytest.raises(DuplicateIntent, match="its outcome"):
        branch.append(outcome(1))
    with pytest.raises(DuplicateIntent, match="no intent"):
        branch.append(outcome(3))
    branch.append(intent(3), outcome(3))
    with pytest.raises(DuplicateIntent):
        branch.append(outcome(3))
    assert shown(branch) == [*story()[:5], intent(3), outcome(3)]


def test_seals_can_be_left_out_from_an_entry_on() -> None:
    whole = story()
    base = written(whole)
    branch = BranchLedger(base, len(whole), MemoryLedger(), seals_until=6)
    assert branch.last_seal(agent(0)) == written(whole[:6]).last_seal(agent(0))
    assert branch.last_seal(agent(1)) == base.last_seal(agent(1))
    assert shown(branch) == [record for number, record in enumerate(whole, 1) if number <= 6 or not isinstance(record, Seal)]
    branch.append(seal(0, b"third"))
    sealed = branch.last_seal(agent(0))
    assert sealed is not None
    assert sealed.seal.state == b"third"
    assert sealed.seq == len(whole) + 1


def test_erasing_and_closing_leave_the_base_alone() -> None:
    async def scenario() -> None:
        base = written(story())
        branch = BranchLedger(base, 5, MemoryLedger())
        branch.append(intent(9, arguments=b"\x80"))
        assert await branch.erase([1, 6]) == 1
        assert shown(base) == story()
        await branch.close()
        base.append(intent(10))

    asyncio.run(scenario())
