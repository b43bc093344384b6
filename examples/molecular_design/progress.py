"""What is shown while a campaign runs: a projection of the record. The campaign does not know that anybody watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, TextIO

from bailiwick import Bailiwick, codec
from bailiwick.effects import Intent, Kind, Outcome, Status
from bailiwick.ids import root_key
from bailiwick.ledger import Entry
from molecular_design.tools import ionisation_energy

EVERY_S = 0.1
PLAIN_EVERY_S = 1.0
"""How often a line is printed where there is no terminal."""


class Tally:
    """How far one campaign has come, as the record says: that of ``root``, or the first that begins after entry ``read_until``."""

    def __init__(self, budget: int, *, root: str | None, read_until: int) -> None:
        self.budget = budget
        self.done = 0
        self.failed = 0
        self.best_ev: float | None = None
        self.best_smiles = ""
        self.read_until = read_until
        self._begun_s = time.monotonic()
        self._found: int | None = None
        self._key = root_key(root) if root else None
        self._asked: dict[str, str] = {}

    @property
    def finished(self) -> int:
        """How many molecules have an outcome, good or bad."""
        return self.done + self.failed

    @property
    def left(self) -> int:
        """What is left of the budget."""
        return self.budget - self.finished

    @property
    def rate_per_s(self) -> float:
        """Molecules a second since the watching began; those that were on record by then do not count."""
        return (self.finished - (self._found or 0)) / max(time.monotonic() - self._begun_s, 1e-9)

    @property
    def best(self) -> str:
        """The best so far, in words."""
        return f"best {self.best_ev:.2f} eV {self.best_smiles}" if self.best_ev is not None else "best –"

    def read(self, entries: Iterable[Entry]) -> None:
        """Take in what is new on the record."""
        for entry in entries:
            self.read_until = entry.seq
            match entry.record:
                case Intent(kind=Kind.RUN) as intent if self._key is None:
                    self._key = root_key(intent.id)
                case Intent(tool=ionisation_energy.name) as intent if root_key(intent.id) == self._key:
                    self._asked[intent.id] = codec.decode(intent.arguments, dict[str, Any])["smiles"]
                case Outcome() as outcome if outcome.id in self._asked:
                    self._count(outcome, self._asked.pop(outcome.id))
                case _:
                    pass
        if self._found is None:
            self._found = self.finished

    def _count(self, outcome: Outcome, smiles: str) -> None:
        if outcome.status is not Status.DONE:
            self.failed += 1
            return
        self.done += 1
        energy_ev = float(codec.decode(outcome.value, dict[str, Any])["energy_ev"])
        if self.best_ev is None or energy_ev > self.best_ev:
            self.best_ev, self.best_smiles = energy_ev, smiles

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.finished}/{self.budget} molecules{failed}, {self.best}, budget left {self.left}"


async def watch(bw: Bailiwick, tally: Tally, stream: TextIO) -> None:
    """Show ``tally`` on ``stream`` until cancelled: a progress bar on a terminal, else a line now and then."""
    with _bar(tally, stream) if stream.isatty() else _lines(tally, stream) as show:
        try:
            while True:
                tally.read(bw.record.entries(tally.read_until))
                show(final=False)
                await asyncio.sleep(EVERY_S)
        finally:
            tally.read(bw.record.entries(tally.read_until))
            show(final=True)


@contextmanager
def _bar(tally: Tally, stream: TextIO) -> Generator[Any]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    said = TextColumn("{task.fields[rate]:.1f}/s  [bold]{task.fields[best]}[/]  budget left {task.fields[left]}  ETA")
    columns = (SpinnerColumn(), TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), said, TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream)) as progress:
        task = progress.add_task("", total=tally.budget, rate=0.0, best=tally.best, left=tally.left)

        def show(*, final: bool) -> None:
            progress.update(task, completed=tally.finished, rate=tally.rate_per_s, best=escape(tally.best), left=tally.left)

        yield show


@contextmanager
def _lines(tally: Tally, stream: TextIO) -> Generator[Any]:
    last_s = time.monotonic()
    shown = ""

    def show(*, final: bool) -> None:
        nonlocal last_s, shown
        now_s, line = time.monotonic(), str(tally)
        if line == shown or not (final or now_s - last_s >= PLAIN_EVERY_S):
            return
        eta = f", {tally.rate_per_s:.1f}/s, ETA {tally.left / tally.rate_per_s:.0f} s" if tally.rate_per_s else ""
        print(line + eta, file=stream, flush=True)
        last_s, shown = now_s, line

    yield show
