"""Calls go canonicalise → fast rules → for what no rule knows: the judge. What it decides it can say in words."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Literal, NamedTuple, cast

from bailiwick import codec
from bailiwick.charter.firewall.canonical import Canonical, canonicalise
from bailiwick.charter.firewall.judge import Judge, Opinion, Question
from bailiwick.charter.firewall.learning import Caution, Learning
from bailiwick.charter.firewall.memory import Label
from bailiwick.charter.firewall.records import FastRule, FirewallState
from bailiwick.charter.firewall.rules import Rules
from bailiwick.clock import Clock
from bailiwick.effects import Call, EffectClass
from bailiwick.errors import BadInput

Answer = Literal["allow", "deny", "ask", "unknown"]
Policy = Literal["hold", "allow", "ask"]

_REMEMBERED_ANSWERS = 4_096
_REVIEW_OPINIONS = 2
_A_PERSONS_WORD = 3


class Seen(NamedTuple):
    """What the firewall says of a call."""

    answer: Answer
    rule: str = ""
    """The id of the rule that said so; empty: no rule did."""
    reason: str = ""


class Firewall:
    """Decides by rules, asks the judge about the rest, and learns.

    ``policy`` says what becomes of an unknown call that is not irreversible: ``hold`` waits for the judge, ``allow`` lets it pass
    and ``ask`` asks a person, both while the judge looks at it for the next time. An irreversible call always waits. Without a
    judge, or where it cannot tell, an unknown call is asked about (under ``allow``, if it is not irreversible, it passes).
    """

    def __init__(
        self,
        clock: Clock,
        judge: Judge | None = None,
        *,
        rules: Iterable[FastRule] = (),
        policy: Policy = "hold",
        caution: Caution | None = None,
        confidence: float = 0.5,
        audit_every: int = 50,
    ) -> None:
        self._clock = clock
        self._judge = judge
        self._policy: Policy = policy
        self._confidence = confidence
        self._audit_every = audit_every
        """Of the calls a learnt rule decided, the judge is asked about the 4th, 8th, 16th, … and every so manieth, while nobody waits:
        a rule that was learnt from errors is noticed. 0: none."""
        self._rules = Rules(rules)
        self._learning = Learning(self._rules, Caution() if caution is None else caution)
        self._seen: OrderedDict[Hashable, tuple[int, int, Seen, Canonical]] = OrderedDict()
        self._said: dict[str, tuple[FastRule, Seen]] = {}
        self._judging: dict[str, asyncio.Task[Opinion]] = {}
        self._next_expiry_ns = 0

    @property
    def rules(self) -> tuple[FastRule, ...]:
        """Every rule, those that only watch included, with their hits."""
        return tuple(self._rules)

    @property
    def learning(self) -> Learning:
        """What it has learnt from, and what is in doubt."""
        return self._learning

    def add(self, rule: FastRule) -> None:
        """Load a rule that a person or program wrote. Raises `BadInput` if it is not bounded."""
        self._rules.add(rule)

    def revoke(self, rule: str) -> bool:
        """Take a rule out, for good; whether it was there."""
        return self._learning.revoke(rule)

    def look(self, call: Call) -> Seen:
        """What the rules say of ``call``; ``unknown`` where none speaks of it. Block wins over ask, ask over allow. Waits for nothing."""
        return self._look(call)[0]

    def _look(self, call: Call) -> tuple[Seen, Canonical]:
        now_ns = self._clock.now_ns()
        if now_ns >= self._next_expiry_ns:
            self._expire(now_ns)
        key = _key(call)
        known = self._seen.get(key) if key is not None else None
        if known is not None and known[0] == self._rules.version and now_ns < known[1]:
            if known[2].rule:
                self._rules.hit(known[2].rule)
            return known[2], known[3]
        canonical = canonicalise(call)
        seen = self._match(canonical, now_ns)
        if key is not None:
            self._seen[key] = (self._rules.version, self._next_expiry_ns, seen, canonical)
            if len(self._seen) > _REMEMBERED_ANSWERS:
                self._seen.popitem(last=False)
        return seen, canonical

    def _expire(self, now_ns: int) -> None:
        self._learning.lapse(now_ns)
        ends = [rule.expires_ns for rule in self._rules if rule.expires_ns]
        self._next_expiry_ns = min([*ends, now_ns + 60_000_000_000])

    def _match(self, canonical: Canonical, now_ns: int) -> Seen:
        matched = self._rules.match(canonical, now_ns)
        rule = None
        for action in ("block", "ask", "allow"):
            rule = next((found for found in matched if found.action == action and not found.shadow), rule)
            if rule is not None:
                break
        if rule is None:
            return Seen("unknown", "", f"no rule speaks of this call of `{canonical.tool}`")
        for other in matched:
            if other.shadow and other.action != rule.action:
                self._learning.clash(other)
        self._rules.hit(rule.id)
        return self._say(rule)

    def _say(self, rule: FastRule) -> Seen:
        said = self._said.get(rule.id)
        if said is None or said[0] is not rule:
            if len(self._said) > _REMEMBERED_ANSWERS:
                self._said.clear()
            said = self._said[rule.id] = (rule, Seen("deny" if rule.action == "block" else rule.action, rule.id, explain(rule)))
        return said[1]

    async def decide(self, call: Call) -> Seen:
        """What is to become of ``call``: never ``unknown``. May wait for the judge; identical calls at the same time share one verdict.

        A judge that fails or cannot tell makes it ``ask``. Cancelled, it leaves the judge at work for those who wait too.
        """
        seen, canonical = self._look(call)
        if seen.answer != "unknown":
            self._audit(call, canonical, seen)
            return seen
        waits = call.effect is EffectClass.IRREVERSIBLE
        policy = self._policy
        if not waits and policy != "hold":
            self._begin(call, canonical)
            return Seen(policy, "", f"{seen.reason}; the policy for unknown calls that can be taken back is `{policy}`")
        task = self._begin(call, canonical)
        if task is None:
            return Seen("ask", "", f"{seen.reason}, and there is no judge")
        return self._answer(await asyncio.shield(task))

    def _answer(self, opinion: Opinion) -> Seen:
        why = opinion.reason or "no reason given"
        if opinion.verdict == "attack":
            return Seen("deny", "", f"judged an attack: {why}")
        if opinion.verdict == "benign" and opinion.confidence >= self._confidence:
            return Seen("allow", "", f"judged benign: {why}")
        return Seen("ask", "", f"the judge cannot tell: {why}")

    def _begin(self, call: Call, canonical: Canonical) -> asyncio.Task[Opinion] | None:
        """The judgement of ``call`` that is under way, or a new one."""
        if self._judge is None:
            return None
        task = self._judging.get(canonical.digest)
        if task is None:
            task = asyncio.create_task(self._judge_and_learn(self._judge, call, canonical), name=f"firewall judges {canonical.digest}")
            self._judging[canonical.digest] = task
            task.add_done_callback(lambda _: self._judging.pop(canonical.digest, None))
        return task

    async def _judge_and_learn(self, judge: Judge, call: Call, canonical: Canonical) -> Opinion:
        entry = self._learning.memory.get(canonical.digest)
        opinion = await _ask(judge, Question(call, canonical, 0 if entry is None else entry.votes))
        if opinion.verdict != "unknown" and opinion.confidence >= self._confidence:
            self._learning.hear(call, canonical, opinion.verdict, opinion.proposed_rule, self._clock.now_ns())
        return opinion

    def _audit(self, call: Call, canonical: Canonical, seen: Seen) -> None:
        if not self._audit_every:
            return
        rule = self._rules.get(seen.rule)
        if rule is None or rule.origin.by != "judge":
            return
        hits = rule.hits
        if hits % self._audit_every == 0 or (hits >= 4 and hits & (hits - 1) == 0):
            self._begin(call, canonical)

    async def review(self, limit: int = 4) -> int:
        """Ask for more opinions on up to ``limit`` remembered calls whose label is in doubt; return how many are left.

        Nobody waits for this: run it where there is time.
        """
        doubts = self._learning.doubts
        for digest in list(doubts)[:limit]:
            doubts.pop(digest, None)
            entry = self._learning.memory.get(digest)
            if entry is None or self._judge is None:
                continue
            self._learning.memory.contest(entry, True)
            for _ in range(_REVIEW_OPINIONS):
                opinion = await _ask(self._judge, Question(entry.call, entry.canonical, entry.votes))
                if opinion.verdict != "unknown":
                    self._learning.hear(entry.call, entry.canonical, opinion.verdict, opinion.proposed_rule, self._clock.now_ns())
                if not entry.contested:
                    break
        return len(doubts)

    def observe(self, call: Call, outcome: Label) -> str:
        """A person, or the world, showed what ``call`` was: ``benign`` or ``attack``. Rules that said otherwise are rolled back at once.

        Returns what was learnt, in words. Raises `BadInput` for another outcome.
        """
        if outcome not in ("benign", "attack"):
            raise BadInput(f"an outcome is `benign` or `attack`, not `{outcome}`")
        return self._learning.hear(call, canonicalise(call), outcome, None, self._clock.now_ns(), weight=_A_PERSONS_WORD)

    async def close(self) -> None:
        """End the judgements under way; who waits for one is cancelled."""
        tasks = list(self._judging.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def state(self) -> bytes:
        """All it has learnt, for `restore`."""
        learning = self._learning
        return codec.encode(
            FirewallState(
                rules=tuple(self._rules),
                remembered=learning.memory.records(),
                revoked=tuple(sorted(learning.revoked)),
                installs_ns=tuple(learning.installs_ns),
                labelled_ns=tuple(learning.labelled_ns),
                doubts=tuple(learning.doubts),
            )
        )

    def restore(self, state: bytes) -> None:
        """Know what the firewall knew whose `state` it is, and nothing else. Raises `BadInput`; then nothing has changed."""
        known = codec.decode(state, FirewallState)
        learning = Learning(Rules(known.rules), self._learning.caution)
        learning.memory.restore(known.remembered)
        learning.revoked.update(known.revoked)
        learning.installs_ns.extend(known.installs_ns)
        learning.labelled_ns.extend(known.labelled_ns)
        learning.doubts.update(dict.fromkeys(known.doubts))
        self._rules, self._learning = learning.rules, learning
        self._seen.clear()
        self._next_expiry_ns = 0


async def _ask(judge: Judge, question: Question) -> Opinion:
    try:
        return await judge(question)
    except Exception as error:  # Whatever went wrong with it, nobody has judged the call; the reason is in the answer.
        return Opinion("unknown", 0.0, f"the judge failed: {type(error).__name__}: {error}")


def _key(call: Call) -> Hashable | None:
    """The call itself, if that is flat: the same key, the same answer."""
    flat: list[object] = [call.tool]
    for name, value in call.arguments.items():
        if isinstance(value, str):
            if len(value) > 512:
                return None
        elif value is not None and not isinstance(value, int):
            return None
        flat += (name, cast(object, type(value)), value)
    if call.labels:
        flat += sorted(_flat_labels(call.labels))
    return tuple(flat)


def _flat_labels(labels: Mapping[str, frozenset[str]]) -> Iterable[str]:
    return (f"\x00{name}\x00{label}" for name, found in labels.items() for label in found)


def explain(rule: FastRule) -> str:
    """``rule`` in words: what it looks at, why, who made it."""
    does = {"allow": "allowed", "ask": "to be asked about", "block": "blocked"}[rule.action]
    terms = " and ".join(_say(term.kind, term.argument, term.values, term.low, term.high) for term in rule.terms if term.kind != "shape")
    made = f"made by {rule.origin.by}" + (f" from {len(rule.origin.calls)} calls" if rule.origin.calls else "")
    why = f": {rule.reason}" if rule.reason else ""
    return f"calls of `{rule.tool}`{' where ' + terms if terms else ''} are {does}{why} (rule {rule.id}, {made})"


def _say(kind: str, argument: str, values: tuple[str, ...], low: float, high: float) -> str:
    name = "any argument" if argument == "*" else f"`{argument}`"
    if kind == "between":
        return f"{name} is between {low:g} and {high:g}"
    shown = ", ".join(values[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")
    verb = {
        "equals": "is one of",
        "hosts": "leads to",
        "under": "is below",
        "tokens": "says, in this order,",
        "words": "says only",
        "absent": "does not say",
        "labels": "carries no data from",
    }[kind]
    return f"{name} {verb} {shown}"
