"""Reading the record for a command: folded without payloads, which are read when somebody asks to see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from bailiwick.bailiff import Settings, load, read_ledger, writing_process
from bailiwick.effects import Attempt, Causality, Effect, Intent, Kind, Outcome, Record, Request, Ruling, Seal, fold
from bailiwick.errors import BadInput, NotFound
from bailiwick.ids import AgentId, EffectId, root_key
from bailiwick.ledger import Entry, Sealed

_ID_LENGTH = 36
_PREFIXES = ("agt_", "eff_", "run_")


class Reading:
    """The record of one home at one moment. Raises `NotFound` where there is none.

    ``trees`` are any ids of trees of runs: then only those trees are read. ``payloads``: with what went in and came out.
    """

    def __init__(self, home: str | None, *, trees: Sequence[str] = (), payloads: bool = False) -> None:
        self.settings: Settings = load(home=home)
        self._ledger = read_ledger(self.settings)
        self.seals: dict[AgentId, Sealed] = {}
        """The newest seal of each agent; without payloads also without its state."""
        self.effects: dict[str, Effect] = fold(self._noting(_read(self._ledger.entries(), trees, payloads=payloads)))

    def _noting(self, read: Iterable[tuple[Entry, Record]]) -> Iterator[tuple[int, Record]]:
        for entry, record in read:
            if isinstance(record, Seal):
                self.seals[record.agent] = Sealed(entry.seq, record)
            yield entry.seq, record

    @cached_property
    def causality(self) -> Causality:
        """Who caused what."""
        return Causality(self.effects)

    @property
    def roots(self) -> list[Effect]:
        """The runs that people and programs started, in order."""
        return [effect for effect in self.effects.values() if effect.intent.kind is Kind.RUN]

    @cached_property
    def is_written(self) -> bool:
        """Whether a process that lives may be acting: then what is open may be under way."""
        return writing_process(self.settings) is not None

    def state(self, effect: Effect) -> str:
        """Its state for people: an effect that nobody acts on and nobody can judge is ``in doubt`` rather than ``open``."""
        return "in doubt" if self.in_doubt(effect) else effect.state

    def in_doubt(self, effect: Effect) -> bool:
        """Whether it must be settled: it may have happened, may not be repeated, and no process that lives goes on with it."""
        return effect.is_doubtful and not self.is_written

    def whole(self, effect: Effect) -> Effect:
        """The same effect with its payloads, as far as they were not erased."""
        past = self._ledger.find(effect.intent.id)
        if past is None:
            return effect
        return Effect(
            seq=effect.seq,
            intent=past.intent,
            outcome=past.outcome if effect.outcome is not None else None,
            outcome_seq=effect.outcome_seq,
            attempts=effect.attempts,
            undo=effect.undo,
            erased=effect.erased,
            requests=effect.requests,
            rulings=effect.rulings,
        )

    def named(self, text: str, kinds: Iterable[Kind] = Kind) -> Effect:
        """The one effect whose id, or that of the run or agent that began with it, begins or ends with ``text``; any prefix is as good.

        Raises `NotFound`, or `BadInput` if there are several.
        """
        digits = text[4:] if text.startswith(_PREFIXES) else text
        wanted = frozenset(kinds)
        what = "run" if wanted == OPENING else "effect"
        found = self.effects.get(EffectId(f"eff_{digits}"))
        if found is not None and found.intent.kind in wanted:
            return found
        keys = [key for key in self.effects if key.startswith(digits, 4) or key.endswith(digits)]
        matching = [effect for effect in map(self.effects.__getitem__, keys) if effect.intent.kind in wanted]
        if not matching or not digits:
            lists = "runs" if what == "run" else "effects"
            raise NotFound(f"no {what} on record has an id that begins or ends with {text}; `bailiwick {lists} ls` lists them")
        if len(matching) > 1:
            raise BadInput(f"{len(matching)} {what}s have ids that begin or end with {text}: give more of it")
        return matching[0]

    def run(self, text: str | None) -> Effect:
        """What opened the run that is meant by ``text``: a root, or an ask. Without ``text`` the newest root. Raises as `named` does."""
        if text is not None:
            return self.named(text, OPENING)
        if not self.roots:
            raise NotFound("no run is on record yet; `bailiwick run FILE` starts one")
        return self.roots[-1]

    def charter_rule(self, effect: Effect) -> str:
        """The text of the rule that let it through, where the charter of these settings is the one its run began under; else empty."""
        charter = self.settings.charter
        which, _, number = effect.intent.rule.partition(" ")
        rules = charter.deny if which == "deny" else charter.allow
        same = self.causality.line(effect)[0].intent.charter == charter.digest
        return str(rules[int(number) - 1]) if same and number.isdigit() and 0 < int(number) <= len(rules) else ""


OPENING = frozenset({Kind.RUN, Kind.ASK})
"""Kinds of effects inside of which others are asked for."""


def trees_of(*ids: str | None) -> list[str]:
    """What to read to find ``ids``: the trees that they are of, where each is given in full; else everything."""
    return [given for given in ids if given is not None] if all(given is not None and len(given) == _ID_LENGTH for given in ids) else []


def records(home: str | None) -> Iterator[tuple[int, Record]]:
    """The record whole, numbered. Raises `NotFound` where there is none."""
    return ((entry.seq, entry.record) for entry in read_ledger(load(home=home)).entries())


def each_when_it_ended(home: str | None, trees: Sequence[str], *, payloads: bool) -> Iterator[Effect]:
    """Effects one by one, in the order of their outcomes, then those without one: only what is open at a moment is held in memory.

    Arguments are those of `Reading`. Raises `NotFound` where there is no record.
    """
    return _ended(_read(read_ledger(load(home=home)).entries(), trees, payloads=payloads))


def _ended(read: Iterable[tuple[Entry, Record]]) -> Iterator[Effect]:
    under_way: dict[str, Effect] = {}
    for entry, record in read:
        effect = under_way.get(getattr(record, "id", ""))
        if isinstance(record, Intent):
            effect = under_way[record.id] = Effect(seq=entry.seq, intent=record)
        if effect is None:
            continue
        if entry.erased:
            effect.erased += (entry.seq,)
        if isinstance(record, Attempt):
            effect.attempts += (record,)
        if isinstance(record, Outcome):
            effect.outcome, effect.outcome_seq = record, entry.seq
            yield under_way.pop(record.id)
    yield from under_way.values()


def _read(entries: Iterable[Entry], trees: Sequence[str], *, payloads: bool) -> Iterator[tuple[Entry, Record]]:
    """Each of ``entries`` with its record; of ``trees`` alone, if there are any. What other trees hold is not decoded."""
    wanted = {root_key(tree) for tree in trees}
    marks = [key.encode() for key in wanted]
    for entry in entries:
        if marks and not any(mark in entry.body for mark in marks) and b"erasure" not in entry.body:
            continue
        record = entry.record if payloads else Entry(seq=entry.seq, hash=entry.hash, body=entry.body).record
        if wanted and not _belongs(record, wanted):
            continue
        if isinstance(record, Attempt | Request | Ruling):  # Few effects have one, and what it carries is most of what it says.
            record = entry.record
        yield entry, record


def _belongs(record: Record, trees: set[str]) -> bool:
    """Whether it is of one of ``trees``; an erasure may be of any."""
    match record:
        case Intent() | Attempt() | Outcome() | Request() | Ruling():
            return root_key(record.id) in trees
        case Seal():
            return root_key(record.agent) in trees
        case _:
            return True
