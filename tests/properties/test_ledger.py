"""Every backend against the specification, over random histories."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger, whereabouts, writer
from bailiwick.testing.ledger_machine import ledger_state_machine

HISTORIES = settings(max_examples=25, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow])


async def _memory(where: Path) -> Ledger:
    return MemoryLedger()


async def _sqlite(where: Path) -> Ledger:
    return SqliteLedger.open(where / "ledger.sqlite")


def test_the_machine_accepts_the_specification_itself() -> None:
    run_state_machine_as_test(ledger_state_machine(_memory, durable=False), settings=HISTORIES)


def test_sqlite_answers_and_refuses_as_the_specification_does() -> None:
    run_state_machine_as_test(ledger_state_machine(_sqlite), settings=HISTORIES)


def test_sqlite_answers_and_refuses_alike_while_its_index_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With shelves so small that every history fills several, and slices smaller than a shelf."""
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 5)
    monkeypatch.setattr(writer, "SLICE", 2)
    run_state_machine_as_test(ledger_state_machine(_sqlite), settings=HISTORIES)


async def _in_tiny_segments(where: Path) -> Ledger:
    return SqliteLedger.open(where / "ledger.sqlite", segment_entries=5)


def test_sqlite_answers_and_refuses_alike_when_it_is_kept_in_tiny_segments() -> None:
    run_state_machine_as_test(ledger_state_machine(_in_tiny_segments), settings=HISTORIES)


def test_sqlite_answers_and_refuses_alike_in_tiny_segments_while_its_index_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 7)
    monkeypatch.setattr(writer, "SLICE", 2)
    run_state_machine_as_test(ledger_state_machine(_in_tiny_segments), settings=HISTORIES)


def test_the_machine_finds_a_ledger_that_forgets_a_seal() -> None:
    class Forgetful(MemoryLedger):
        def last_seal(self, agent: str) -> None:
            return None

    async def forgetful(where: Path) -> Ledger:
        return Forgetful()

    with pytest.raises(AssertionError):
        run_state_machine_as_test(ledger_state_machine(forgetful, durable=False), settings=HISTORIES)
