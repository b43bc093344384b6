"""From verdicts to rules, with a gate before each: who may propose is not who decides.

A proposal is bounded, covers the call it was made of, and covers no remembered call of the other label. It widens a rule that is
there rather than adding one where that passes. It watches in shadow until a quorum of verdicts on distinct calls agrees, then it is
installed for a time. Where outsiders may have had a hand in the calls it takes a larger quorum, and fewer are installed an hour.
A verdict that contradicts is not believed at once either: more opinions are asked for, and then the rule goes or the verdict does.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal, NamedTuple

from msgspec.structs import replace

from bailiwick.charter.firewall.canonical import Canonical
from bailiwick.charter.firewall.generalise import MAX_WORDS, named, widen
from bailiwick.charter.firewall.memory import Entry, Label, Memory
from bailiwick.charter.firewall.records import FastRule, Origin, Term
from bailiwick.charter.firewall.rules import Rules, compile_rule
from bailiwick.effects import Call
from bailiwick.errors import BadInput

_HOUR_NS = 3_600_000_000_000
_ACTIONS: dict[Label, Literal["allow", "block"]] = {"benign": "allow", "attack": "block"}


class Caution(NamedTuple):
    """How hard it is for a rule to be learnt."""

    quorum: int = 2
    """Agreeing verdicts on distinct calls before a rule decides."""
    quorum_labelled: int = 4
    """The same where a call carried data from outside."""
    window: int = 4_096
    """Judged calls that are remembered."""
    lifetime: timedelta = timedelta(days=7)
    """How long an installed rule decides; then it watches again until one verdict agrees."""
    installs_per_hour: int = 240
    """Of which a quarter may come from calls with data from outside."""
    tries: int = 24
    """Rules that one proposal may be merged with, the newest first."""


class Learning:
    """Keeps ``rules`` in step with the verdicts it hears."""

    def __init__(self, rules: Rules, caution: Caution) -> None:
        self.rules = rules
        self.caution = caution
        self.memory = Memory(caution.window)
        self.doubts: OrderedDict[str, None] = OrderedDict()
        """Digests of remembered calls on which more opinions are wanted."""
        self.revoked: set[str] = set()
        """Ids of rules that must not come back."""
        self.installs_ns: deque[int] = deque(maxlen=4_096)
        self.labelled_ns: deque[int] = deque(maxlen=4_096)
        self._before: OrderedDict[str, FastRule] = OrderedDict()
        """For a rule that replaced one, that one: what a rollback goes back to."""
        self.refused: Counter[str] = Counter()
        """Why proposals were refused, and how often."""

    def hear(self, call: Call, canonical: Canonical, label: Label, proposal: FastRule | None, now_ns: int, *, weight: int = 1) -> str:
        """Take in an opinion on ``call`` and what rule it suggests; say what became of it. ``weight``: a person's word counts more."""
        entry = self.memory.entry(call, canonical, now_ns)
        first = entry.votes == 0
        self.memory.vote(entry, label, weight)
        if entry.contested:
            if entry.votes < 3 or entry.benign == entry.attack:
                return "more opinions on this call are wanted"
            self.memory.contest(entry, False)
        self.doubts.pop(canonical.digest, None)
        if entry.label is None:
            return self._doubt(entry)
        against = [rule for rule in self._learnt(canonical) if rule.action != _ACTIONS[entry.label]]
        if entry.votes == 1 and any(rule.agreed >= self.caution.quorum for rule in against):
            return self._doubt(entry)
        for rule in against:
            self._roll_back(rule, entry)
        return self._learn(entry, proposal, now_ns, first=first)

    def clash(self, rule: FastRule) -> None:
        """A rule in shadow would have decided otherwise than what decides: it has to begin again."""
        if rule.shadow and not rule.pinned and rule.agreed:
            self.rules.add(replace(rule, agreed=rule.agreed - 1))

    def revoke(self, rule: str) -> bool:
        """Take a rule out for good; whether it was there."""
        self.revoked.add(rule)
        self._before.pop(rule, None)
        return self.rules.remove(rule)

    def lapse(self, now_ns: int) -> None:
        """What has expired watches again; one agreeing verdict brings it back."""
        for rule in list(self.rules):
            if 0 < rule.expires_ns <= now_ns and not rule.pinned:
                if rule.origin.by == "judge":
                    self.rules.add(replace(rule, shadow=True, expires_ns=0, agreed=self._quorum(rule) - 1))
                else:
                    self.rules.remove(rule.id)

    def _learn(self, entry: Entry, proposal: FastRule | None, now_ns: int, *, first: bool) -> str:
        label = entry.label
        assert label is not None
        mine = [rule for rule in self._learnt(entry.canonical) if rule.action == _ACTIONS[label]]
        if any(not rule.shadow for rule in mine):
            return "a rule covers it already"
        if mine:
            rule = max(mine, key=lambda found: found.agreed)
            return self._agree(replace(rule, agreed=rule.agreed + first), now_ns, label)
        found = self._repair(entry, label) or self._add(entry, label, proposal)
        if found is None:
            return "no rule was learnt from it"
        if found.origin.replaces and (old := self.rules.get(found.origin.replaces)) is not None and old.shadow:
            self.rules.remove(old.id)
        return self._agree(found, now_ns, label)

    def _agree(self, rule: FastRule, now_ns: int, label: Label) -> str:
        """Keep ``rule`` in shadow, or install it once enough verdicts agree and it passes the gate again."""
        if rule.agreed < self._quorum(rule) or not self._room(rule, now_ns):
            self.rules.add(replace(rule, shadow=True))
            return f"rule {rule.id} watches: {rule.agreed} verdicts of {self._quorum(rule)} agree"
        if self._false_hits(rule, label):
            self.rules.remove(rule.id)
            return f"rule {rule.id} was dropped: it covers calls that were judged otherwise"
        self.installs_ns.append(now_ns)
        if rule.origin.labels:
            self.labelled_ns.append(now_ns)
        old = self.rules.get(rule.origin.replaces) if rule.origin.replaces else None
        if old is not None and not old.pinned:
            self._before[rule.id] = old
            if len(self._before) > 1_024:
                self._before.popitem(last=False)
            self.rules.remove(old.id)
        lifetime_ns = self.caution.lifetime // timedelta(microseconds=1) * 1_000
        self.rules.add(replace(rule, shadow=False, created_ns=now_ns, expires_ns=now_ns + lifetime_ns))
        return f"rule {rule.id} was installed"

    def _quorum(self, rule: FastRule) -> int:
        return self.caution.quorum_labelled if rule.origin.labels else self.caution.quorum

    def _room(self, rule: FastRule, now_ns: int) -> bool:
        limit = self.caution.installs_per_hour
        recent = sum(at > now_ns - _HOUR_NS for at in self.installs_ns)
        labelled = sum(at > now_ns - _HOUR_NS for at in self.labelled_ns) if rule.origin.labels else 0
        if recent >= limit or labelled >= max(1, limit // 4):
            self.refused["too many rules an hour"] += 1
            return False
        return True

    def _repair(self, entry: Entry, label: Label) -> FastRule | None:
        """The best widening of a rule that is there; None if none passes the gate."""
        action, weigh = _ACTIONS[label], self.memory.weigh(entry.canonical.tool)
        near = [each.rule for each in self.rules.compiled(entry.canonical.tool) if _is_learnt(each.rule) and each.rule.action == action]
        choices: list[tuple[float, FastRule]] = []
        for rule in near[: -self.caution.tries - 1 : -1]:
            wider = widen(rule, entry.canonical, weigh)
            if wider is not None and wider.id not in self.revoked:
                agreed = rule.agreed + 1 if rule.shadow else 1
                choices.append((_loss(rule, wider), replace(wider, agreed=agreed, shadow=True)))
        choices.sort(key=lambda choice: choice[0])
        for _, wider in choices[:6]:
            passed = self._gate(wider, entry, label)
            if passed is not None:
                return passed
        return None

    def _add(self, entry: Entry, label: Label, proposal: FastRule | None) -> FastRule | None:
        if proposal is None or proposal.tool != entry.canonical.tool or proposal.action != _ACTIONS[label]:
            return None
        if proposal.id in self.revoked or self.rules.get(proposal.id) is not None:
            return None
        labels = {label for labels in entry.call.labels.values() for label in labels}
        origin = Origin(by="judge", calls=(entry.canonical.digest,), labels=tuple(sorted(labels)))
        asked = replace(proposal, pinned=False, shadow=True, agreed=1, hits=0, expires_ns=0, origin=origin, closed=label == "benign")
        return self._gate(named(asked), entry, label)

    def _gate(self, rule: FastRule, entry: Entry, label: Label) -> FastRule | None:
        """``rule``, perhaps narrowed, if it may watch; None if not."""
        try:
            compiled = compile_rule(rule)
        except BadInput:
            return self._refuse("not bounded")
        if not compiled.covers(entry.canonical):
            return self._refuse("does not cover its own call")
        if not self._specific(rule):
            return self._refuse("over-general")
        false_hits = self._false_hits(rule, label)
        if not false_hits:
            return rule
        if label == "benign":
            narrowed = self._narrow(rule, false_hits)
            if narrowed is not None and compile_rule(narrowed).covers(entry.canonical) and not self._false_hits(narrowed, label):
                return narrowed
        if len(false_hits) <= 3 and rule.agreed >= self.caution.quorum:
            for hit in false_hits:
                if hit.votes == 1:
                    self.doubts[hit.canonical.digest] = None
        return self._refuse("false hits on the recent log")

    def _refuse(self, why: str) -> None:
        self.refused[why] += 1

    def _specific(self, rule: FastRule) -> bool:
        if rule.action == "allow":
            return rule.closed and any(term.kind != "shape" for term in rule.terms)
        weigh = self.memory.weigh(rule.tool)
        told = sum(weigh(token) for term in rule.terms if term.kind == "tokens" for token in term.values)
        placed = sum(1.5 for term in rule.terms if term.kind in ("hosts", "under", "equals") and "/" not in term.values)
        return told + placed >= 1.5

    def _false_hits(self, rule: FastRule, label: Label) -> list[Entry]:
        compiled = compile_rule(rule)
        return [entry for entry in self.memory.opposite(rule.tool, label) if compiled.covers(entry.canonical)]

    def _narrow(self, rule: FastRule, hits: Iterable[Entry]) -> FastRule | None:
        """``rule`` without the calls in ``hits``, told apart by words that no benign call says."""
        weigh = self.memory.weigh(rule.tool)
        absent: dict[str, set[str]] = {}
        for entry in hits:
            telling = [(name, token) for name, field in entry.canonical.fields.items() for token in field.tokens if weigh(token) >= 0.95]
            if not telling:
                return None
            if not any(token in absent.get(name, ()) for name, token in telling):
                name, token = max(telling, key=lambda each: len(each[1]))
                absent.setdefault(name, set()).add(token)
        terms = [term for term in rule.terms if term.kind != "absent"]
        for term in rule.terms:
            if term.kind == "absent":
                absent.setdefault(term.argument, set()).update(term.values)
        terms += [Term(kind="absent", argument=name, values=tuple(sorted(tokens)[:MAX_WORDS])) for name, tokens in sorted(absent.items())]
        return named(replace(rule, terms=tuple(terms)))

    def _roll_back(self, rule: FastRule, entry: Entry) -> None:
        """``rule`` covers what was judged otherwise: it goes, and what it replaced comes back if that does not."""
        self.rules.remove(rule.id)
        if rule.action == "allow":
            narrowed = self._narrow(rule, [entry])
            if narrowed is not None and narrowed.id not in self.revoked and not self._false_hits(narrowed, "benign"):
                self.rules.add(narrowed)
                return
        before = self._before.pop(rule.id, None)
        label: Label = "benign" if rule.action == "allow" else "attack"
        if before is not None and before.id not in self.revoked and not self._false_hits(before, label):
            self.rules.add(before)

    def _doubt(self, entry: Entry) -> str:
        self.memory.contest(entry, True)
        self.doubts[entry.canonical.digest] = None
        return "the verdict contradicts what is known; more opinions are wanted"

    def _learnt(self, canonical: Canonical) -> list[FastRule]:
        """Rules of the learner's own that cover a call, whether they decide or watch."""
        return [each.rule for each in self.rules.compiled(canonical.tool) if _is_learnt(each.rule) and each.covers(canonical)]


def _is_learnt(rule: FastRule) -> bool:
    return rule.origin.by == "judge" and not rule.pinned and rule.action != "ask"


def _loss(rule: FastRule, wider: FastRule) -> float:
    """How much is given up: for an allowing rule what is let in anew, for a blocking one what it no longer looks at."""
    if rule.action == "block":
        kept = sum(len(term.values) for term in wider.terms)
        return float(-kept)
    old = {value for term in rule.terms for value in (*term.values, term.kind + term.argument)}
    new = {value for term in wider.terms for value in (*term.values, term.kind + term.argument)}
    return float(len(new - old)) - 0.5 * rule.shadow
