"""One tree of runs as it stands on the record, read once."""

from __future__ import annotations

from bailiwick import codec
from bailiwick.effects import Effect, Intent, Kind, Record, Seal, fold
from bailiwick.errors import BadInput, NotFound, Refused
from bailiwick.gateway import SESSION
from bailiwick.ids import EffectId, RunId, agent_of, ask_of, nested_run_id, root_key, run_of
from bailiwick.ledger import Entry, Ledger


class Recording:
    """Every effect and every seal of the tree of runs that ``run`` belongs to.

    Reads the record from one end to the other; of what belongs to other trees only the bytes are looked at. Raises `NotFound`.
    """

    def __init__(self, ledger: Ledger, run: str) -> None:
        self.ledger = ledger
        mark = root_key(run).encode()
        mine = [(entry.seq, entry.record) for entry in ledger.entries() if mark in entry.body]
        records: list[tuple[int, Record]] = [(seq, record) for seq, record in mine if root_key(_id_of(record)) == root_key(run)]
        self.effects: dict[EffectId, Effect] = {EffectId(key): effect for key, effect in fold(records).items()}
        self.seals: list[tuple[int, Seal]] = [(seq, record) for seq, record in records if isinstance(record, Seal)]
        self.last_seq = records[-1][0] if records else 0
        root = next((effect for effect in self.effects.values() if effect.intent.kind is Kind.RUN), None)
        self.runs: set[RunId] = {effect.intent.run for effect in self.effects.values()}
        self.runs.update(run_of(key) for key, effect in self.effects.items() if effect.intent.kind is Kind.ASK)
        if root is None or run not in self.runs:
            raise NotFound(f"no run {run} is on record; `bailiwick runs ls` lists them", run=run)
        self.run = RunId(run)
        self.root = root
        ends = (effect.outcome.ended_ns if effect.outcome is not None else effect.intent.at_ns for effect in self.effects.values())
        self.end_ns = max(ends)

    @property
    def name(self) -> str:
        """What the root is called. Raises `Refused` for one that nobody can go through again: a session's code is not at hand."""
        if self.root.intent.tool == SESSION:
            raise Refused(f"run {self.root.intent.run} is a session: what it did stands in no function that could be called again")
        return self.root.intent.tool

    def at(self, run: str, position: str) -> Effect:
        """The effect at ``position`` of ``run``. Raises `NotFound`, naming the positions there are."""
        found = [effect for effect in self.effects.values() if effect.intent.run == run and effect.intent.kind is not Kind.RUN]
        for effect in found:
            if effect.intent.position == position:
                return effect
        there = ", ".join(effect.intent.position for effect in found[:20])
        raise NotFound(f"run {run} has no effect at position {position}; it has {there or 'none'}{', …' if len(found) > 20 else ''}")

    @property
    def migrated_seq(self) -> int:
        """The number of the seal with which a run of the tree was last migrated to other code; 0 if none was."""
        generations: dict[RunId, int] = {}
        found = 0
        for seq, seal in self.seals:
            for run, entry in seal.runs.items():
                if entry.generation > generations.get(run, 0):
                    generations[run], found = entry.generation, seq
        return found

    def unplaced(self) -> set[RunId]:
        """Runs that nobody would begin again under the same id: control loops, and what agents did while they were shut down."""
        begun = {self.root.intent.run, *(run_of(key) for key, effect in self.effects.items() if effect.intent.kind is Kind.ASK)}
        for effect in self.effects.values():
            if effect.intent.kind is Kind.SPAWN:
                begun.add(nested_run_id(agent_of(effect.intent.id), "on_startup"))
        for _, seal in self.seals:
            for timer, ticks in seal.ticks.items():
                begun.update(nested_run_id(seal.agent, f"{timer}/{number}") for number in (ticks - 1, ticks))
        return {effect.intent.run for effect in self.effects.values()} - begun

    def depth(self, run: str) -> int:
        """How many asks lie between the root and ``run``; 1 for what an agent does by itself."""
        depth = 0
        while run != self.root.intent.run:
            depth += 1
            opened = self.effects.get(ask_of(run))
            if opened is None:
                break
            run = opened.intent.run
        return depth

    def seal_at(self, text: str) -> int:
        """The number of the seal that a person means: ``start``, an entry's number, or an agent, whose newest seal it is.

        Raises `BadInput` or `NotFound`.
        """
        if text == "start":
            return 0
        if text.isdecimal():
            return int(text)
        if not text.startswith("agt_"):
            raise BadInput(f"--from {text}: give the number of an entry, the id of an agent for its newest seal, or `start`")
        seals = [seq for seq, seal in self.seals if seal.agent == text]
        if not seals:
            raise NotFound(f"agent {text} was never sealed in this run; use --from start")
        return seals[-1]


def question(intent: Intent, limit: int = 300) -> str:
    """What ``intent`` asks, for people."""
    arguments = codec.to_json(codec.decode(intent.arguments)) if intent.arguments else ""
    asked = f"{intent.tool}({arguments})"
    return asked if len(asked) <= limit else f"{asked[: limit - 1]}…"


def entry_at(ledger: Ledger, seq: int) -> Entry | None:
    """The entry with this number; None for 0."""
    return next(iter(ledger.entries(seq - 1)), None) if seq else None


def _id_of(record: Record) -> str:
    match record:
        case Seal(agent=agent):
            return agent
        case _:
            return getattr(record, "id", "")
