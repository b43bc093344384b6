"""Who does things twice: a job of 30 effects, killed right after an effect happened and before its answer came.

The effects are requests to a witness (`bailiwick.testing.Witness`), a process of its own that writes each down on disk when it has
performed it, and answers 20 ms later. ``kill -9`` strikes the job three times a run; each time it is started again and goes on.
``python -m benchmarks.gateway_duplicates`` prints the table: what happened more than once, what never, and what was parked for a person.

DBOS and LangGraph are used as their documentation shows. Neither gives a step a key or asks the other side; whoever makes a key by hand
(in DBOS of the workflow's id and the step's) and has a witness that honours it is as well off as our first row.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from bailiwick.testing import Witness
from benchmarks import peers
from benchmarks.figure import Figure, Measure

EFFECTS = 30
RUNS = 8
KILLS_A_RUN = 3
ANSWERS_AFTER = timedelta(milliseconds=20)
SEED = 24
PATIENCE_S = 120
BAILIWICK = (sys.executable, "-c", "from bailiwick.cli import main; main()")
CHARTER = '[[allow]]\ntool = "with_*"\n'

Command = Callable[[Path, str, bool], Sequence[str | Path]]
"""The command that begins the job in a folder, with the witness at an address; or goes on with it."""


@dataclass(frozen=True)
class Count:
    """One row of the table."""

    tool: str
    kills: int
    duplicates: int
    missing: int
    parked: int | None
    """What was left for a person to say; None for what knows no such state."""

    def __str__(self) -> str:
        return f"{self.tool:<44} {self.kills:>5} {self.duplicates:>10} {self.missing:>7} {'–' if self.parked is None else self.parked:>6}"


def measure(tool: str, command: Command, *, parks: bool) -> Count:
    """All runs of one job."""
    chance = random.Random(SEED)
    found = [_run(command, chance, parks=parks) for _ in range(RUNS)]
    duplicates, missing, parked = (sum(column) for column in zip(*found, strict=True))
    return Count(tool, RUNS * KILLS_A_RUN, duplicates, missing, parked if parks else None)


def _run(command: Command, chance: random.Random, *, parks: bool) -> tuple[int, int, int]:
    parked = 0
    with tempfile.TemporaryDirectory() as name, Witness(Path(name) / "book", answers_after=ANSWERS_AFTER) as witness:
        folder = Path(name)
        for kill in range(KILLS_A_RUN):
            # From the second on: the first effect after a kill may be the one that it cut off.
            witness.withhold(chance.randrange(2, EFFECTS // KILLS_A_RUN))
            with _started(folder, command(folder, witness.address, kill > 0)):
                try:
                    witness.until_withheld()
                except TimeoutError:
                    raise RuntimeError(f"the job stands still: {(folder / 'said').read_text()[-2_000:]}") from None
            parked += _settle(folder, witness) if parks else 0
        with _started(folder, command(folder, witness.address, True)) as job:
            if job.wait(PATIENCE_S) != 0:
                raise RuntimeError(f"the job did not go on: {(folder / 'said').read_text()[-2_000:]}")
        done = [performed.what for performed in witness.book()]
        wanted = {f"effect {number}" for number in range(EFFECTS)}
        return len(done) - len(set(done)), len(wanted - set(done)), parked


@contextmanager
def _started(folder: Path, command: Sequence[str | Path]) -> Generator[subprocess.Popen[bytes]]:
    """The job; killed at the end of the block, if it still runs."""
    with (folder / "said").open("ab") as said:
        job = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
    try:
        yield job
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()


def _settle(folder: Path, witness: Witness) -> int:
    """What a person does: look at what is in doubt, look into the witness's book, and say what is in there."""
    # What is retried or probed is no doubt: the next start sees to it.
    listed = _bailiwick(folder, "ls", "--state", "open", "--tool", "with_neither", "--json")
    serials = {performed.what: performed.serial for performed in witness.book()}
    for effect in listed:
        serial = serials.get(_bailiwick(folder, "show", effect["id"], "--json")["arguments"]["what"])
        finding = ("--retry",) if serial is None else ("--done", str(serial))
        _bailiwick(folder, "settle", effect["id"], *finding, "--why", "so says the witness's book", "--yes", "--json")
    return len(listed)


def _bailiwick(folder: Path, *words: str) -> Any:
    command = [*BAILIWICK, "effects", *words, "--home", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S).stdout)


def _ours(how: str) -> Command:
    def command(folder: Path, address: str, resume: bool) -> Sequence[str | Path]:
        charter = folder / "charter.toml"
        charter.write_text(CHARTER, encoding="utf-8")
        words = ("--resume",) if resume else (address, str(EFFECTS), how)
        return *BAILIWICK, "run", peers.HERE / "peer_bailiwick.py", *words, "--charter", charter, "--home", folder

    return command


def _theirs(name: str, place: str) -> Command:
    def command(folder: Path, address: str, _: bool) -> Sequence[str | Path]:
        python = peers.interpreter(name)
        if python is None:
            raise LookupError(f"{name}: not installed; run make bench-peers")
        return python, "-W", "ignore", peers.HERE / f"peer_{name}.py", "job", place.format(folder / "state.sqlite"), address, str(EFFECTS)

    return command


@cache
def row(name: str) -> Count:
    """One row of the table, counted once in this process's life. Raises `LookupError` for a peer that is not installed."""
    match name:
        case "dbos":
            return measure("DBOS (SQLite)", _theirs("dbos", "sqlite:///{}"), parks=False)
        case "langgraph":
            return measure('LangGraph (SQLite, durability="sync")', _theirs("langgraph", "{}"), parks=False)
        case "key":
            return measure("Bailiwick, the other side honours a key", _ours("key"), parks=True)
        case "probe":
            return measure("Bailiwick, the other side can be asked", _ours("probe"), parks=True)
        case _:
            return measure("Bailiwick, neither: a person settles", _ours("neither"), parks=True)


ROWS = ("dbos", "langgraph", "key", "probe", "neither")


def _figure(how: str, name: str) -> Figure:
    """What happened twice or never, of ours, beside what happened twice with DBOS."""
    ours = row(how)
    try:
        theirs: float | None = row("dbos").duplicates
        label = f"DBOS, {RUNS * KILLS_A_RUN} kills"
    except LookupError as error:
        theirs, label = None, str(error)
    value = ours.parked if name == "parked" else ours.duplicates + ours.missing
    return Figure(value=float(value or 0), unit="effects", better="lower", peer=label, peer_value=theirs)


FIGURES: dict[str, Measure] = {}
FULL: dict[str, Measure] = {
    "with_key": lambda: _figure("key", "wrong"),
    "with_probe": lambda: _figure("probe", "wrong"),
    "with_neither": lambda: _figure("neither", "wrong"),
}
"""Each takes half a minute."""


def main(names: Sequence[str]) -> None:
    """Print the table, or the rows that are named."""
    print(f"{'tool':<44} {'kills':>5} {'duplicates':>10} {'missing':>7} {'parked':>6}")
    for name in names:
        print(row(name), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ROWS)
