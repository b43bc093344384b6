"""The calls that were judged lately: what a proposed rule is tried on before it counts."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from bailiwick import codec
from bailiwick.charter.firewall.canonical import Canonical, canonicalise
from bailiwick.charter.firewall.generalise import Weigh
from bailiwick.charter.firewall.records import Remembered
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.errors import Unencodable
from bailiwick.ids import AgentId, RunId

Label = Literal["benign", "attack"]


class Entry:
    """One call and the opinions on it."""

    __slots__ = ("at_ns", "attack", "benign", "call", "canonical", "contested")

    def __init__(self, call: Call, canonical: Canonical, at_ns: int) -> None:
        self.call = call
        self.canonical = canonical
        self.at_ns = at_ns
        self.benign = 0
        self.attack = 0
        self.contested = False
        """Somebody doubts its label; until more opinions settle it, it has none."""

    @property
    def votes(self) -> int:
        """How many opinions there are."""
        return self.benign + self.attack

    @property
    def label(self) -> Label | None:
        """What most opinions say; None for a draw and while it is contested."""
        if self.contested or self.benign == self.attack:
            return None
        return "benign" if self.benign > self.attack else "attack"


class Memory:
    """At most ``window`` judged calls, the oldest forgotten first."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._by_tool: dict[str, dict[str, Entry]] = {}
        self._said: dict[str, Counter[str]] = {}
        """For each tool, in how many benign calls a token occurs."""
        self._benign: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, digest: str) -> Entry | None:
        """What is remembered of the call with that digest."""
        return self._entries.get(digest)

    def entry(self, call: Call, canonical: Canonical, now_ns: int) -> Entry:
        """What is remembered of ``call``, from now on something."""
        known = self._entries.get(canonical.digest)
        if known is None:
            known = self._entries[canonical.digest] = Entry(call, canonical, now_ns)
            self._by_tool.setdefault(canonical.tool, {})[canonical.digest] = known
            if len(self._entries) > self._window:
                self._forget()
        return known

    def vote(self, entry: Entry, label: Label, weight: int = 1) -> None:
        """Add an opinion."""
        with_label = entry.label
        if label == "benign":
            entry.benign += weight
        else:
            entry.attack += weight
        self._recount(entry, with_label)

    def contest(self, entry: Entry, contested: bool) -> None:
        """Doubt its label, or believe it again."""
        with_label = entry.label
        entry.contested = contested
        self._recount(entry, with_label)

    def opposite(self, tool: str, label: Label) -> list[Entry]:
        """The calls of ``tool`` (``*``: all) that have the other label."""
        entries = self._entries.values() if tool == "*" else self._by_tool.get(tool, {}).values()
        other = "attack" if label == "benign" else "benign"
        return [entry for entry in entries if entry.label == other]

    def weigh(self, tool: str) -> Weigh:
        """How telling a token is in a call of ``tool``: 1 where no benign call has it, 0 where one in twenty has."""
        said, benign = self._said.get(tool, Counter[str]()), self._benign[tool]

        def weight(token: str) -> float:
            if len(token) < 2 and token.isalnum():
                return 0.0
            return max(0.0, 1.0 - 20.0 * said[token] / benign) if benign else 0.5

        return weight

    def _recount(self, entry: Entry, before: Label | None) -> None:
        if entry.label == before:
            return
        change = (entry.label == "benign") - (before == "benign")
        if change:
            tool = entry.canonical.tool
            self._benign[tool] += change
            said = self._said.setdefault(tool, Counter())
            for token in _features(entry.canonical):
                said[token] += change

    def _forget(self) -> None:
        digest, entry = self._entries.popitem(last=False)
        before = entry.label
        entry.contested = True
        self._recount(entry, before)
        del self._by_tool[entry.canonical.tool][digest]

    def records(self) -> tuple[Remembered, ...]:
        """All that can be written down, oldest first."""
        return tuple(found for entry in self._entries.values() if (found := _record(entry)) is not None)

    def restore(self, records: tuple[Remembered, ...]) -> None:
        """Remember what was written down."""
        for record in records:
            labels = {name: frozenset(values) for name, values in record.labels.items()}
            call = _call(record.tool, record.effect, record.arguments, labels, record.at_ns)
            entry = self.entry(call, canonicalise(call), record.at_ns)
            for label, times in (("benign", record.benign), ("attack", record.attack)):
                if times:
                    self.vote(entry, "benign" if label == "benign" else "attack", times)
            if record.contested:
                self.contest(entry, True)


def _features(call: Canonical) -> set[str]:
    return {each for field in call.fields.values() for each in (*field.tokens, *field.hosts)}


def _record(entry: Entry) -> Remembered | None:
    call = entry.call
    record = Remembered(
        digest=entry.canonical.digest,
        tool=call.tool,
        effect=call.effect,
        arguments=dict(call.arguments),
        labels={name: tuple(sorted(labels)) for name, labels in call.labels.items()},
        benign=entry.benign,
        attack=entry.attack,
        at_ns=entry.at_ns,
        contested=entry.contested,
    )
    try:
        codec.encode(record)
    except Unencodable:
        return None
    return record


def _call(tool: str, effect: EffectClass, arguments: Mapping[str, Any], labels: Mapping[str, frozenset[str]], at_ns: int) -> Call:
    return Call(Kind.TOOL, tool, effect, arguments, AgentId(""), "", RunId(""), "", at_ns, labels=labels)
