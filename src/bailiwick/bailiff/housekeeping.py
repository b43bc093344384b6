"""Keeping the record small and discreet: full files put aside, payloads that nobody needs any more, payloads that nobody may keep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from bailiwick.bailiff.opening import open_ledger, open_record, read_ledger
from bailiwick.bailiff.settings import Settings
from bailiwick.bailiff.signing import Vouching, vouching
from bailiwick.clock import Clock
from bailiwick.effects import Attempt, Erasure, Intent, Kind, Outcome, Record, Request, Ruling, Seal
from bailiwick.errors import BadInput
from bailiwick.gateway import MILESTONES, SESSION
from bailiwick.ids import AgentId, EffectId, RunId, ask_of, root_key
from bailiwick.ledger import Entry, Ledger, Segment, Segmented, Shared, Stream, join

SEQS_A_RECORD = 10_000
"""An `Erasure` names so many entries at most."""


class Holdings(NamedTuple):
    """Payloads that are on record, and are to go."""

    seqs: tuple[int, ...]
    """The entries that hold them, in order."""
    size_bytes: int
    effects: int
    """How many effects they are of."""
    seals: int
    """How many of them are states of agents."""
    alive: tuple[RunId, ...]
    """The roots of those that have not ended: these runs could not be resumed any more."""


class Extent(NamedTuple):
    """How long a record is, and where it is."""

    segments: tuple[Segment, ...]
    """The files in order, the last one is written; none where the record is not kept in files."""
    seq: int
    """The number of its newest entry."""
    hash: bytes
    vouching: Vouching
    streams: tuple[Stream, ...]
    """What the hosts that share the record write, by name; none where only one may write."""


async def extent(settings: Settings) -> Extent:
    """How the record of ``settings`` is kept. Raises `NotFound`, `CorruptLedger`, `LedgerUnavailable`."""
    ledger = read_ledger(settings)
    try:
        head = ledger.head()
        return Extent(
            tuple(ledger.segments()) if isinstance(ledger, Segmented) else (),
            head.seq,
            head.hash,
            vouching(settings, ledger),
            tuple(ledger.streams()) if isinstance(ledger, Shared) else (),
        )
    finally:
        await ledger.close()


async def rotate(settings: Settings, clock: Clock) -> bool:
    """Put the file that is written aside; False if it has no entries, or others read it just now: then nothing changed.

    Raises `BadInput` for a record that is not kept in files, and what `open_record` does.
    """
    if settings.ledger != "sqlite":
        raise BadInput(f"a record in {settings.ledger} is not kept in segments")
    async with open_record(settings, clock):
        pass  # It is signed up to its end, and the signature goes with the file.
    ledger = open_ledger(settings)
    try:
        return isinstance(ledger, Segmented) and await ledger.rotate()
    finally:
        await ledger.close()


async def plan_compaction(settings: Settings, before_ns: int) -> Holdings:
    """What neither resumption nor undo needs of what ended before ``before_ns``; nothing is erased yet.

    That is: what was given to effects and what they returned, in trees of runs that ended before; and the states of agents of such
    trees that newer states replaced. What has no outcome stays, and so does what an undo that is under way takes back. Bodies,
    signatures, and the newest seal of each agent stay always. Raises `NotFound`, `CorruptLedger`, `LedgerUnavailable`.
    """
    ledger = read_ledger(settings)
    try:
        trees = _Trees(_bodies(ledger))
        ended = {key for key in trees.last_ns if trees.ended_ns(key) < before_ns}
        kept = trees.open | {undone for effect in trees.open if (undone := trees.undoing.get(effect)) is not None}

        def superfluous(entry: Entry, record: Record) -> bool:
            match record:
                case Intent(id=effect) | Attempt(id=effect) | Outcome(id=effect) | Request(id=effect) | Ruling(id=effect):
                    return effect not in kept and root_key(effect) in ended
                case Seal(agent=agent, at_ns=at_ns):
                    old = at_ns < before_ns if agent == MILESTONES else root_key(agent) in ended
                    return old and trees.seals[agent] != entry.seq
                case _:
                    return False

        return _holdings((entry, record) for entry, record in _bodies(ledger) if entry.payload and superfluous(entry, record))
    finally:
        await ledger.close()


async def plan_erasure(settings: Settings, effects: Collection[EffectId], agent: AgentId | None = None) -> Holdings:
    """What is on record of what ``effects`` were given and returned, and of the states of ``agent``; nothing is erased yet.

    Raises `NotFound`, `CorruptLedger`, `LedgerUnavailable`.
    """
    ledger = read_ledger(settings)
    try:
        trees = _Trees(_bodies(ledger))

        def chosen(record: Record) -> bool:
            match record:
                case Intent(id=effect) | Attempt(id=effect) | Outcome(id=effect) | Request(id=effect) | Ruling(id=effect):
                    return effect in effects
                case Seal():
                    return record.agent == agent
                case _:
                    return False

        found = [(entry, record) for entry, record in _bodies(ledger) if entry.payload and chosen(record)]
        roots = {_root(record) for _, record in found}
        return _holdings(found)._replace(alive=tuple(run for key, run in trees.roots.items() if key in roots and key in trees.alive))
    finally:
        await ledger.close()


async def erase(settings: Settings, seqs: Sequence[int], *, why: str, clock: Clock) -> int:
    """Take the payloads of these entries out, for good, and return how many there were; that it was done goes on record first.

    After a crash in the middle some are gone and the record names all; say the same again. Nobody may be writing the record meanwhile.
    Raises what `open_record` does.
    """
    async with open_record(settings, clock) as ledger:
        for start in range(0, len(seqs), SEQS_A_RECORD):
            part = tuple(seqs[start : start + SEQS_A_RECORD])
            ledger.append(Erasure(seqs=part, who=settings.principal, why=why, at_ns=clock.now_ns()))
        await ledger.barrier()
        return await ledger.erase(seqs)


class _Trees:
    """Which trees of runs have ended, and what in them is open."""

    def __init__(self, records: Iterable[tuple[Entry, Record]]) -> None:
        self.roots: dict[str, RunId] = {}
        self.alive: set[str] = set()
        self.last_ns: dict[str, int] = {}
        """When something happened last in each tree; of one that ended, when it did."""
        self.open: set[EffectId] = set()
        self.undoing: dict[EffectId, EffectId] = {}
        self.seals: dict[AgentId, int] = {}
        for entry, record in records:
            match record:
                case Intent():
                    self._begun(record)
                case Outcome():
                    self._ended(record)
                case Seal():
                    self.seals[record.agent] = entry.seq
                case _:
                    pass

    def ended_ns(self, key: str) -> float:
        """When a tree ended; infinite if it has not."""
        return self.last_ns[key] if key in self.roots and key not in self.alive else float("inf")

    def _begun(self, intent: Intent) -> None:
        key = root_key(intent.id)
        self.open.add(intent.id)
        self.last_ns[key] = max(self.last_ns.get(key, 0), intent.at_ns)
        if intent.undoes is not None:
            self.undoing[intent.id] = intent.undoes
        if intent.kind is Kind.RUN:
            self.roots[key] = intent.run
            if intent.tool != SESSION:  # Nobody can resume a session: it is over when nothing happens in it any more.
                self.alive.add(key)

    def _ended(self, outcome: Outcome) -> None:
        key = root_key(outcome.id)
        self.open.discard(outcome.id)
        self.undoing.pop(outcome.id, None)
        self.last_ns[key] = max(self.last_ns.get(key, 0), outcome.ended_ns)
        root = self.roots.get(key)
        if root is not None and outcome.id == ask_of(root):
            self.alive.discard(key)


def _bodies(ledger: Ledger) -> Iterator[tuple[Entry, Record]]:
    """The record without what it carries, which is not needed to judge it."""
    return ((entry, join(entry.body, b"")) for entry in ledger.entries())


def _root(record: Record) -> str:
    """The `root_key` of the tree it is of; empty if of none."""
    match record:
        case Intent(id=whose) | Attempt(id=whose) | Outcome(id=whose) | Request(id=whose) | Ruling(id=whose) | Seal(agent=whose):
            return root_key(whose)
        case _:
            return ""


def _holdings(found: Iterable[tuple[Entry, Record]]) -> Holdings:
    seqs: list[int] = []
    effects: set[EffectId] = set()
    size_bytes = seals = 0
    for entry, record in found:
        seqs.append(entry.seq)
        size_bytes += len(entry.payload)
        if isinstance(record, Seal):
            seals += 1
        elif isinstance(record, Intent | Attempt | Outcome | Request | Ruling):
            effects.add(record.id)
    return Holdings(tuple(seqs), size_bytes, len(effects), seals, ())
