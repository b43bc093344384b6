"""Kill many agents with ``kill -9`` at random moments, in the middle of effects of every class: the witness who performed them, and the
record of them, agree on what happened, and that it happened once (invariants 1, 2 and 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.testing import Witness
from tests.acceptance.killing import Found, Killing
from tests.postgres import url_of


@pytest.mark.parametrize(("backend", "kills"), [("sqlite", 20), ("postgres", 10)])
def test_nothing_is_lost_and_nothing_done_twice_whenever_the_agents_are_killed(backend: str, kills: int, tmp_path: Path) -> None:
    url = url_of(tmp_path) if backend == "postgres" else ""
    with Witness(tmp_path / "book") as witness:
        found = Killing(tmp_path / "home", witness, url=url, seed=kills).until(kills)
    assert (found.lost, found.doubled, found.missing) == ([], [], [])
    assert found.kills == kills
    assert found.effects >= 6 * 8 * 5 * found.jobs


def test_what_would_be_lost_or_doubled_is_counted() -> None:
    wrong = Found(kills=1, lost=["a"], doubled=["b"]) + Found(kills=2, lost=["c"], missing=["d"])
    assert str(wrong) == "kills 3, jobs 0, effects 0, settled 0, lost 2, doubled 1, missing 1"
