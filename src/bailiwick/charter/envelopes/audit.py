"""The same properties on a record: what would have been refused, and what was broken, had these envelopes been kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from bailiwick import codec
from bailiwick.charter.envelopes.breach import Breach, Violation
from bailiwick.charter.envelopes.monitors import Monitors
from bailiwick.charter.envelopes.reading import parse_property
from bailiwick.charter.envelopes.syntax import paths
from bailiwick.charter.records import SafetyEnvelope
from bailiwick.effects import Call, Intent, Kind, Outcome, Record, Status
from bailiwick.errors import BadInput
from bailiwick.ids import EffectId, agent_of, root_key


def audit(records: Iterable[tuple[int, Record]], envelopes: Sequence[SafetyEnvelope]) -> list[Violation]:
    """Where ``records``, numbered and in order, leave ``envelopes``: each effect that would have been refused or broke something when it
    ended, and each answer that did not come in time.

    What was refused on record is not held against anybody. Costs are those that were measured, known from the end of an effect on;
    arguments that were erased cannot be evaluated, and count so. Memory is that of the effects in flight. Raises `BadInput` for an
    envelope that cannot be read.
    """
    return list(violations(records, envelopes))


def violations(records: Iterable[tuple[int, Record]], envelopes: Sequence[SafetyEnvelope]) -> Iterator[Violation]:
    """The same, one by one, as the record is read."""
    monitors = Monitors(envelopes)
    reading = _Reading(monitors)
    for (seq, record), following in _with_next(records):
        yield from reading.read(seq, record, following)


def needs_labels(envelope: SafetyEnvelope) -> bool:
    """Whether it asks where data came from, which is not on the record: then an audit holds every such effect against it."""
    return any(path.parts[0] == "labels" for path in paths(parse_property(envelope.property)))


class _Reading:
    """Goes through a record."""

    def __init__(self, monitors: Monitors) -> None:
        self._monitors = monitors
        self._calls: dict[EffectId, Call] = {}
        """Effects in flight."""
        self._classes: dict[str, str] = {}
        """Of agents."""
        self._principals: dict[str, str] = {}
        """Of trees of runs."""

    def read(self, seq: int, record: Record, following: Record | None) -> Iterator[Violation]:
        """What entry ``seq`` shows."""
        match record:
            case Intent():
                yield from self._intent(seq, record, following)
            case Outcome():
                yield from self._outcome(seq, record)
            case _:
                return

    def _intent(self, seq: int, intent: Intent, following: Record | None) -> Iterator[Violation]:
        yield from self._late(seq, intent.at_ns)
        self._note(intent)
        if not self._monitors.mentions(intent.tool) and intent.kind is not Kind.RUN:
            return
        call = self._calls[intent.id] = self._call(intent)
        if isinstance(following, Outcome) and following.id == intent.id and following.status is Status.REFUSED:
            return  # It was never in flight.
        for breach in self._monitors.all_broken(call):
            yield _violation(seq, intent.id, breach, breach.reason.replace("was not done", "should not have been done", 1))
        self._monitors.admitted(call, intent.id)

    def _outcome(self, seq: int, outcome: Outcome) -> Iterator[Violation]:
        yield from self._late(seq, outcome.ended_ns)
        call = self._calls.pop(outcome.id, None)
        if call is None:
            return
        for breach in self._monitors.observe(call, outcome):
            yield _violation(seq, outcome.id, breach, breach.reason)
        if call.kind is Kind.RUN:
            self._principals.pop(root_key(call.run), None)
            for breach in self._monitors.forget(call.run):
                yield _violation(seq, breach.because[0], breach, breach.reason)

    def _late(self, seq: int, at_ns: int) -> Iterator[Violation]:
        for breach in self._monitors.overdue(at_ns):
            yield _violation(seq, breach.because[0], breach, breach.reason)

    def _note(self, intent: Intent) -> None:
        if intent.kind is Kind.SPAWN:
            self._classes[agent_of(intent.id)] = intent.tool
        elif intent.kind is Kind.RUN:
            self._principals[root_key(intent.run)] = intent.principal

    def _call(self, intent: Intent) -> Call:
        return Call(
            kind=intent.kind,
            tool=intent.tool,
            effect=intent.effect,
            arguments=_arguments(intent.arguments),
            agent=intent.agent,
            agent_class=self._classes.get(intent.agent, ""),
            run=intent.run,
            principal=self._principals.get(root_key(intent.run), ""),
            at_ns=intent.at_ns,
        )


def _arguments(encoded: bytes) -> dict[str, Any]:
    """By name; none where they were erased or cannot be read."""
    try:
        found: object = codec.decode(encoded) if encoded else {}
    except BadInput:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _violation(seq: int, effect: str, breach: Breach, words: str) -> Violation:
    return Violation(seq, EffectId(effect), breach.envelope, breach.property, words, breach.because)


def _with_next(records: Iterable[tuple[int, Record]]) -> Iterator[tuple[tuple[int, Record], Record | None]]:
    """Each entry with the record behind it."""
    held: tuple[int, Record] | None = None
    for numbered in records:
        if held is not None:
            yield held, numbered[1]
        held = numbered
    if held is not None:
        yield held, None
