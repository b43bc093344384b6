"""The fault plans themselves: a test that passes because its fault never struck proves nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import Ledger, verify
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.faults import Crash, FaultPlan, FaultyLedger
from bailiwick.testing.ledger_records import effect, intent, outcome
from bailiwick.testing.ledger_suite import records

NUMBERS = range(3)


async def campaign(ledger: Ledger) -> None:
    """Six appends, three barriers."""
    for number in NUMBERS:
        ledger.append(intent(number))
        await ledger.barrier()
        ledger.append(outcome(number))


WHOLE = [record for number in NUMBERS for record in (intent(number), outcome(number))]


def test_without_a_plan_nothing_happens_and_the_calls_are_counted() -> None:
    ledger = FaultyLedger(MemoryLedger())
    asyncio.run(campaign(ledger))
    assert (ledger.appends, ledger.barriers) == (6, 3)
    assert records(ledger) == WHOLE
    assert str(ledger.plan) == "no fault"


@pytest.mark.parametrize("plan", FaultPlan.around_every_append(6), ids=str)
def test_a_crash_strikes_at_the_append_it_was_planned_for(plan: FaultPlan) -> None:
    ledger = FaultyLedger(MemoryLedger(), plan)
    with pytest.raises(Crash, match=str(plan)):
        asyncio.run(campaign(ledger))
    there = plan.crash_after_append or plan.crash_before_append - 1
    assert records(ledger.inner) == WHOLE[:there]
    assert records(ledger.after_restart(keep_unflushed=True)) == WHOLE[:there]
    # A barrier follows each intent: of what stands after the last one, nothing has to be there.
    flushed = 0 if ledger.barriers == 0 else 2 * ledger.barriers - 1
    assert records(ledger.after_restart()) == WHOLE[:flushed]
    assert verify(ledger.after_restart().entries()).seq == flushed


@pytest.mark.parametrize("plan", FaultPlan.around_every_barrier(3), ids=str)
def test_a_crash_strikes_at_the_barrier_it_was_planned_for(plan: FaultPlan) -> None:
    ledger = FaultyLedger(MemoryLedger(), plan)
    with pytest.raises(Crash):
        asyncio.run(campaign(ledger))
    nth = plan.crash_after_barrier or plan.crash_before_barrier
    assert ledger.barriers == nth
    assert records(ledger.after_restart(keep_unflushed=True)) == WHOLE[: 2 * nth - 1]
    flushed = nth if plan.crash_after_barrier else nth - 1
    assert records(ledger.after_restart()) == WHOLE[: max(0, 2 * flushed - 1)]


def test_the_dead_do_nothing_more() -> None:
    ledger = FaultyLedger(MemoryLedger(), FaultPlan(crash_after_append=1))
    with suppress(Crash):
        ledger.append(intent(1))
    for call in (lambda: ledger.append(intent(2)), lambda: ledger.find(effect(1)), ledger.head, ledger.entries):
        with pytest.raises(Crash):
            call()
    with pytest.raises(Crash):
        asyncio.run(ledger.barrier())
    asyncio.run(ledger.close())
    assert records(ledger.inner) == [intent(1)]


def test_a_crash_is_not_handled_as_an_error() -> None:
    assert not issubclass(Crash, Exception)


@pytest.mark.parametrize("plan", FaultPlan.full_at_every_call(6, 3), ids=str)
def test_a_full_disk_stops_what_writes_and_not_what_reads(plan: FaultPlan) -> None:
    ledger = FaultyLedger(MemoryLedger(), plan)
    with pytest.raises(LedgerUnavailable, match="free space"):
        asyncio.run(campaign(ledger))
    there = plan.full_at_append - 1 if plan.full_at_append else 2 * plan.fail_barrier - 1
    assert records(ledger) == WHOLE[:there]
    assert ledger.head().seq == there
    with pytest.raises(LedgerUnavailable):
        ledger.append(intent(9))
    with pytest.raises(LedgerUnavailable):
        asyncio.run(ledger.barrier())
