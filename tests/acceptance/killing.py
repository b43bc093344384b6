"""Kills a job at random moments, sees to it that it goes on, and compares its record with what the witness has in its book."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick import codec
from bailiwick.bailiff import Settings, load, read_ledger, settle
from bailiwick.clock import SystemClock
from bailiwick.effects import NOT_HAPPENED, Effect, Happened, Kind, Outcome, fold
from bailiwick.errors import NotFound
from bailiwick.ids import EffectId
from bailiwick.ledger import verify
from bailiwick.testing import Performed, Witness, WitnessClient
from tests.acceptance.witness_job import ACTS, CHARTER

JOB = Path(__file__).with_name("witness_job.py")
PATIENCE_S = 60
LONGEST_START_S = 0.8
EARLY = 0.2
"""How many of the kills strike by the clock, so that they hit starts and the reading of the record too; the others strike when so much more
has happened, which spreads them evenly on any machine."""


@dataclass
class Found:
    """What came of many kills. All must be 0 but the first four."""

    kills: int = 0
    jobs: int = 0
    effects: int = 0
    settled: int = 0
    """What a person had to say."""
    lost: list[str] = field(default_factory=list[str])
    """Outcomes that were on record after a kill, or that others went by, and are not what the record holds in the end."""
    doubled: list[str] = field(default_factory=list[str])
    """Effects that the witness performed more than once."""
    missing: list[str] = field(default_factory=list[str])
    """Effects that were asked for and that the witness did not perform, or that it performed and the record does not know so."""

    def __add__(self, other: Found) -> Found:
        return Found(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __str__(self) -> str:
        counts = {name: len(value) if isinstance(value, list) else value for name, value in vars(self).items()}
        return ", ".join(f"{name} {count}" for name, count in counts.items())


class Killing:
    """Jobs of many agents over one record, each killed again and again until it is through."""

    def __init__(self, home: Path, witness: Witness, *, url: str = "", seed: int = 0, agents: int = 6, steps: int = 8) -> None:
        self._home = home
        self._url = url
        self._witness = witness
        self._chance = random.Random(seed)
        self._size = (agents, steps)
        self._settings: Settings = load(
            home=str(home), charter=CHARTER, ledger="postgres" if url else "sqlite", postgres_url=url, principal="whoever reads the book"
        )
        self.found = Found()

    def until(self, kills: int) -> Found:
        """Kill so often, and return what came of it."""
        for number in itertools.count():
            if self.found.kills >= kills:
                return self.found
            self._job(f"job{number}", kills)
        raise AssertionError

    def _job(self, name: str, kills: int) -> None:
        known: dict[EffectId, bytes] = {}
        self.found.jobs += 1
        while True:
            with self._started(name) as job:
                if self.found.kills < kills and self._killed(job):
                    self.found.kills += 1
                else:
                    said, complaint = job.communicate(timeout=PATIENCE_S)
                    if job.returncode:
                        raise AssertionError(f"{name} did not go on: {complaint.decode()[-3_000:]}")
                    break
            # Whatever the dead had asked for has been performed when this is answered.
            asyncio.run(WitnessClient(self._witness.address).look())
            effects = self._effects()
            after = {effect.intent.id: effect.outcome.value for effect in effects if effect.outcome is not None}
            self.found.lost += [effect for effect, value in known.items() if after.get(effect) != value]
            known |= after
            self._settle(effects)
        self._compare(name, json.loads(said), known)

    @contextmanager
    def _started(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, str(JOB), str(self._home), self._url, self._witness.address, name, *map(str, self._size)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True) as job:
            try:
                yield job
            finally:
                job.kill()

    def _killed(self, job: subprocess.Popen[bytes]) -> bool:
        """Whether it was killed before it was through."""
        agents, steps = self._size
        if self._chance.random() < EARLY:
            for _ in self._moments(job, self._chance.uniform(0, LONGEST_START_S)):
                pass
        else:
            book = self._witness.size_bytes
            goal = book() + self._chance.randrange(1, 60 * agents * steps * len(ACTS) // 2)
            for _ in self._moments(job, PATIENCE_S):
                if book() >= goal:
                    break
        if job.poll() is not None:
            return False
        os.killpg(job.pid, signal.SIGKILL)
        return job.wait() == -signal.SIGKILL

    def _moments(self, job: subprocess.Popen[bytes], longest_s: float) -> Iterator[None]:
        end = time.monotonic() + longest_s
        while time.monotonic() < end and job.poll() is None:
            yield
            time.sleep(self._chance.uniform(0, 0.002))

    def _effects(self) -> list[Effect]:
        """All tool calls on record, once it is verified."""
        try:
            ledger = read_ledger(self._settings)
        except NotFound:
            return []  # Killed before there was a record.
        entries = list(ledger.entries())
        verify(entries)
        asyncio.run(ledger.close())
        outcomes = Counter(entry.record.id for entry in entries if isinstance(entry.record, Outcome))
        self.found.doubled += [f"{effect} has {count} outcomes" for effect, count in outcomes.items() if count > 1]
        effects = fold((entry.seq, entry.record) for entry in entries)
        return [effect for effect in effects.values() if effect.intent.kind is Kind.TOOL]

    def _settle(self, effects: list[Effect]) -> None:
        """What a person does: look at what is in doubt, look into the witness's book, and say what is in there."""
        standing = self._standing()
        for effect in effects:
            if effect.is_doubtful and effect.intent.tool == "sign":
                performed = standing.get(arguments(effect)["what"])
                finding = Happened(codec.encode(performed.serial)) if performed is not None else NOT_HAPPENED
                asyncio.run(settle(self._settings, effect.intent.id, finding, why="so says the book", clock=SystemClock()))
                self.found.settled += 1

    def _standing(self) -> dict[str, Performed]:
        return {performed.what: performed for performed in self._witness.book() if not performed.undone}

    def _compare(self, name: str, result: list[list[int]], known: dict[EffectId, bytes]) -> None:
        """The record in the end, with what was on record after each kill, with the book, and with what the job returned."""
        agents, steps = self._size
        found = self.found
        effects = [effect for effect in self._effects() if arguments(effect)["what"].startswith(f"{name}/")]
        values = {effect.intent.id: effect.outcome.value for effect in effects if effect.outcome is not None}
        found.lost += [effect for effect, value in known.items() if effect in values and values[effect] != value]
        found.lost += [effect.intent.id for effect in effects if effect.outcome is None]
        on_record = {arguments(effect)["what"]: codec.decode(values[effect.intent.id]) for effect in effects if effect.intent.id in values}
        found.doubled += [f"{what}, {times} times" for what, times in self._witness.doubled().items() if what.startswith(f"{name}/")]
        found.doubled += [what for what, times in Counter(arguments(effect)["what"] for effect in effects).items() if times > 1]
        standing = {what: performed for what, performed in self._standing().items() if what.startswith(f"{name}/")}
        wanted = {f"{name}/clerk{agent}/{step}/{act.name}" for agent in range(agents) for step in range(steps) for act in ACTS}
        found.missing += sorted(wanted ^ standing.keys())
        for what, performed in standing.items():
            if on_record.get(what) != performed.serial:
                found.lost.append(f"{what}: the record says {on_record.get(what)}, the book {performed.serial}")
            place, _, _ = what.rpartition("/")
            if on_record.get(f"{place}/look") != performed.saw:
                found.lost.append(f"{place}/look: the record says {on_record.get(f'{place}/look')}, {what} went by {performed.saw}")
        totals = [
            [steps, sum(performed.serial for what, performed in standing.items() if what.startswith(f"{name}/clerk{agent}/"))]
            for agent in range(agents)
        ]
        if result != totals:
            found.lost.append(f"{name} returned {result}, and the book makes it {totals}")
        found.effects += len(effects)


def arguments(effect: Effect) -> dict[str, Any]:
    """What it was asked with."""
    return codec.decode(effect.intent.arguments)
