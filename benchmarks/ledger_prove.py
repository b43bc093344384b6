"""What the proof costs: walking a signed and anchored record, signing it, and noting that it need not be signed yet."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from bailiwick.clock import SystemClock
from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Status
from bailiwick.gateway import Notary
from bailiwick.ids import agent_of, ask_of, effect_id, new_run_id
from bailiwick.ledger import GENESIS, Head, Place, SigningKey, attest, commitment, prove
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from benchmarks.figure import Figure, Measure, of_rounds

ENTRIES = 40_000
MANY_ENTRIES = 1_000_000
ROUNDS = 5
SIGNATURES = 500
NOTES = 200_000
KEY = SigningKey(bytes(range(32)))


@contextmanager
def _on_disk() -> Generator[Path]:
    """A directory that is not in memory, as ``/tmp`` may be."""
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 -- `tempfile` makes the name below it
    with tempfile.TemporaryDirectory(dir=place, prefix="bailiwick-") as where:
        yield Path(where)


async def _fill(where: Path, entries: int) -> None:
    """Effects with arguments of 100 bytes and results of 40, signed every 4,096 entries and anchored."""
    ledger = SqliteLedger.open(where / "ledger.sqlite")
    notary = Notary(ledger, KEY, SystemClock(), [Place(str(where / "anchors.jsonl"))])
    run = new_run_id(time.time_ns())
    agent = agent_of(ask_of(run))
    for number in range(entries // 2):
        effect, now_ns = effect_id(run, str(number)), time.time_ns()
        ledger.append(
            Intent(
                id=effect,
                run=run,
                agent=agent,
                position=str(number),
                kind=Kind.TOOL,
                tool="ionisation_energy",
                effect=EffectClass.IDEMPOTENT,
                arguments=bytes(100),
                at_ns=now_ns,
            )
        )
        ledger.append(Outcome(id=effect, status=Status.DONE, value=bytes(40), started_ns=now_ns, ended_ns=now_ns))
        notary.note(2)
        if number % 1_000 == 0:
            await ledger.barrier()
    await notary.close()
    await ledger.close()


def _verify(entries: int, rounds: int) -> Figure:
    with _on_disk() as where:
        asyncio.run(_fill(where, entries))
        reader = SqliteLedger.open(where / "ledger.sqlite", read_only=True)
        anchors = {"elsewhere": Place(str(where / "anchors.jsonl")).read().attestations}
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(rounds):
            start_ns = time.perf_counter_ns()
            found = prove(reader, keys=[KEY.public], anchors=anchors, must_be_signed=True)
            ours.append(found.head.seq / (time.perf_counter_ns() - start_ns) * 1e9)
            if found.tail or found.attestations != len(anchors["elsewhere"]):
                raise RuntimeError(f"{found.attestations} signatures, {len(anchors['elsewhere'])} anchors, {found.tail} entries unsigned")
            bare.append(_hashing_alone(reader.head(), [(entry.body, entry.payload) for entry in reader.entries()]))
        asyncio.run(reader.close())
    return of_rounds(ours, "entries/s", better="higher", peer="hashing alone", peer_value=statistics.median(bare))


def _hashing_alone(head: Head, parts: list[tuple[bytes, bytes]]) -> float:
    last = GENESIS
    start_ns = time.perf_counter_ns()
    for body, payload in parts:
        last = sha256(last + commitment(payload) + body).digest()
    took_ns = time.perf_counter_ns() - start_ns
    if last != head.hash:
        raise RuntimeError("the hashes lead elsewhere")
    return len(parts) / took_ns * 1e9


def verify_signed() -> Figure:
    """Entries a second that are read from the file and proven, with signatures and anchors, beside hashing them alone."""
    return _verify(ENTRIES, ROUNDS)


def verify_million() -> Figure:
    """The same for a million entries, once."""
    return _verify(MANY_ENTRIES, 1)


def attest_us() -> Figure:
    """Microseconds of CPU time that one signature over the head takes, beside the signature alone."""
    message = bytes(71)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        start_ns = time.process_time_ns()
        for number in range(SIGNATURES):
            attest(KEY, Head(number, GENESIS), number)
        ours.append((time.process_time_ns() - start_ns) / SIGNATURES / 1_000)
        start_ns = time.process_time_ns()
        for _ in range(SIGNATURES):
            KEY.sign(message)
        bare.append((time.process_time_ns() - start_ns) / SIGNATURES / 1_000)
    return of_rounds(ours, "µs", better="lower", peer="signing alone", peer_value=statistics.median(bare))


def note_ns() -> Figure:
    """Nanoseconds of CPU time that the notary takes for an append after which nothing is due."""

    async def whole() -> list[float]:
        rounds: list[float] = []
        ledger = MemoryLedger()
        notary = Notary(ledger, KEY, SystemClock(), every_entries=(ROUNDS + 1) * NOTES)
        for _ in range(ROUNDS):
            start_ns = time.process_time_ns()
            for _ in range(NOTES):
                notary.note(1)
            rounds.append((time.process_time_ns() - start_ns) / NOTES)
        await notary.close()
        return rounds

    return of_rounds(asyncio.run(whole()), "ns", better="lower")


FIGURES: dict[str, Measure] = {"verify_signed": verify_signed, "attest_us": attest_us, "note_ns": note_ns}
FULL: dict[str, Measure] = {"verify_million": verify_million}
