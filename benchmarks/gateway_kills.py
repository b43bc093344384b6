"""How much is lost or doubled when agents are killed: many agents over SQLite and over PostgreSQL, ``kill -9`` at random moments in the
middle of effects of every class, each time started again. An independent witness performs the effects and keeps the book.

``python -m benchmarks.gateway_kills --kills 200`` kills so often in total, half of it over each backend, and prints what it found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bailiwick.testing import Witness
from benchmarks.figure import Figure, Measure
from tests.acceptance.killing import Found, Killing
from tests.postgres import running

KILLS = 200
SEED = 1


def over_sqlite(kills: int, seed: int) -> Found:
    """What was found over SQLite."""
    with tempfile.TemporaryDirectory() as folder, Witness(Path(folder) / "book") as witness:
        return Killing(Path(folder) / "home", witness, seed=seed).until(kills)


def over_postgres(kills: int, seed: int) -> Found:
    """What was found over PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, running() as server, Witness(Path(folder) / "book") as witness:
        return Killing(Path(folder) / "home", witness, url=server.url("kills"), seed=seed).until(kills)


def kills() -> Figure:
    """Outcomes lost, effects doubled and effects missing, after `KILLS` kills."""
    found = over_sqlite(KILLS // 2, SEED) + over_postgres(KILLS - KILLS // 2, SEED)
    if found.kills != KILLS:
        raise RuntimeError(f"{found.kills} kills, not {KILLS}")
    return Figure(value=float(len(found.lost) + len(found.doubled) + len(found.missing)), unit="effects", better="lower")


FIGURES: dict[str, Measure] = {}
FULL: dict[str, Measure] = {"kills": kills}
"""It takes some minutes."""


def main() -> int:
    """Kill as often as the command line says. Exit status 1 if anything was lost, doubled or missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_kills", description="Kill agents, and count what is wrong then.")
    parser.add_argument("--kills", type=int, default=KILLS, help="how often in total [default: %(default)s]")
    parser.add_argument("--seed", type=int, default=SEED, help="of the moments [default: %(default)s]")
    options = parser.parse_args()
    whole = Found()
    for name, act, share in (
        ("SQLite", over_sqlite, options.kills // 2),
        ("PostgreSQL", over_postgres, options.kills - options.kills // 2),
    ):
        start_ns = time.monotonic_ns()
        found = act(share, options.seed)
        print(f"{name}: {found}; {(time.monotonic_ns() - start_ns) / 1e9:.0f} s", flush=True)
        whole += found
    for wrong in whole.lost + whole.doubled + whole.missing:
        print(wrong)
    print(f"in total: {whole}")
    return 1 if whole.lost or whole.doubled or whole.missing else 0


if __name__ == "__main__":
    sys.exit(main())
