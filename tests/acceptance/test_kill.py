"""Kill the campaign with ``kill -9`` at twenty random moments: it resumes, computes nothing twice, and ends the same (invariant 2)."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bailiwick.bailiff import load, read_ledger
from bailiwick.effects import Intent, Outcome
from bailiwick.errors import BailiwickError
from bailiwick.ledger import verify
from tests.acceptance.commands import bailiwick, start

pytest.importorskip("tblite", reason="the demo needs the chemistry extra")

KILLS = 20
BUDGET = 25
SEED = 7


def ended(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def results(campaign: dict[str, Any]) -> tuple[Any, ...]:
    """What must be equal: the table without ids, which belong to a run; the failures; the count of effects."""
    best = [(row["rank"], row["id"], row["energy_ev"]) for row in campaign["summary"]["best"]]
    return best, campaign["summary"]["failed"], campaign["summary"]["checked"], campaign["effects"]


def outcomes(home: Path) -> dict[str, bytes]:
    """The outcomes on record, by effect. None if there is no record yet."""
    try:
        records = [entry.record for entry in read_ledger(load(home=str(home / "state"))).entries()]
    except BailiwickError:
        return {}
    return {record.id: record.value for record in records if isinstance(record, Outcome)}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Any, ...], int]:
    home = tmp_path_factory.mktemp("uninterrupted")
    whole = results(ended(bailiwick("demo", "--seed", str(SEED), "--budget", str(BUDGET), "--json", home=home)))
    return whole, read_ledger(load(home=str(home / "state"))).head().seq


@pytest.mark.parametrize("kill", range(KILLS))
def test_a_killed_campaign_ends_as_if_nothing_had_happened(kill: int, uninterrupted: tuple[tuple[Any, ...], int], tmp_path: Path) -> None:
    whole, entries = uninterrupted
    # A random moment of the campaign, by how far the record has come: the same spread on a fast machine and on a slow one.
    moment = random.Random(kill).randrange(1, entries)
    running = start("demo", "--seed", str(SEED), "--budget", str(BUDGET), home=tmp_path)
    while length(tmp_path) < moment and running.poll() is None:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    before = outcomes(tmp_path)
    assert results(ended(bailiwick("demo", "--resume", "--json", home=tmp_path))) == whole
    ledger = read_ledger(load(home=str(tmp_path / "state")))
    after = outcomes(tmp_path)
    assert {effect: after[effect] for effect in before} == before
    intents = [record.id for entry in ledger.entries() if isinstance(record := entry.record, Intent)]
    assert len(intents) == len(set(intents)) == whole[-1]
    verify(ledger.entries())


def test_a_campaign_that_has_ended_is_only_read(tmp_path: Path) -> None:
    first = ended(bailiwick("demo", "--budget", "5", "--json", home=tmp_path))
    entries = length(tmp_path)
    assert ended(bailiwick("demo", "--resume", "--json", home=tmp_path)) == first
    assert length(tmp_path) == entries


def length(home: Path) -> int:
    try:
        return read_ledger(load(home=str(home / "state"))).head().seq
    except BailiwickError:
        return 0
