"""Screening: where the data in a call came from, whether its run planned it, and what the firewall makes of it.

Only where the charter says so (``[firewall]``). What a run has read is told anew when the run is gone through again, from the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bailiwick import codec
from bailiwick.charter import Answer, Approval, Decision, Screening
from bailiwick.charter.firewall import Firewall, Judge, Labels, Plan, Seen
from bailiwick.clock import Clock
from bailiwick.effects import NO_LABELS, Call, Intent, Kind, Outcome, Status
from bailiwick.ids import RunId, root_key


class Screen:
    """What is known of the data of each tree of runs, and the firewall of the host."""

    def __init__(self, terms: Screening, clock: Clock, judge: Judge | None = None) -> None:
        self._terms = terms
        self.firewall = Firewall(clock, judge, rules=terms.rules, policy=terms.policy) if judge is not None or terms.rules else None
        """What learns; None where nobody judges and no rule is given."""
        self._labels: dict[str, Labels] = {}
        self._plans: dict[str, Plan] = {}

    def labels_of(self, intent: Intent, arguments: Mapping[str, Any]) -> Mapping[str, frozenset[str]]:
        """Where the data in each argument came from, as far as that is not trusted."""
        labels = self._labels.get(root_key(intent.run))
        return labels.of(arguments) if labels is not None else NO_LABELS

    def obtained(self, intent: Intent, outcome: Outcome) -> None:
        """``intent`` has an outcome: what a tool returned is labelled; what a person started a run with is trusted."""
        if intent.kind is Kind.TOOL and outcome.status is Status.DONE and outcome.value:
            self._of(intent).obtained(intent.id, intent.tool, codec.decode(outcome.value))

    def begun(self, intent: Intent) -> None:
        """A root begins: what it was started with is the principal's word."""
        if intent.kind is Kind.RUN:
            self._of(intent)
            for text in _texts(codec.decode(intent.arguments)):
                self._of(intent).trust(text)

    def ended(self, run: RunId) -> None:
        """The tree of the root ``run`` has ended."""
        self._labels.pop(root_key(run), None)
        self._plans.pop(root_key(run), None)

    def fix_plan(self, run: RunId, tools: Sequence[str], sinks: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """See `Agent.fix_plan`. Raises `Refused` if the tree of ``run`` has a plan."""
        self._plan_of(root_key(run)).fix(tools, sinks)

    async def decide(self, call: Call, decision: Decision) -> Decision:
        """``decision``, made stricter by what the plan and the firewall say: deny before ask before allow. May wait for the judge."""
        self._labels_of_key(root_key(call.run)).of(call.arguments, call.tool)  # Once for each call: what is sent in pieces is seen whole.
        said = [self._plan_of(root_key(call.run)).look(call)]
        if self.firewall is not None and decision.answer is not Answer.DENY:
            said.append(await self.firewall.decide(call))
        for seen in said:
            decision = _stricter(decision, seen)
        return decision

    def _of(self, intent: Intent) -> Labels:
        return self._labels_of_key(root_key(intent.run))

    def _labels_of_key(self, key: str) -> Labels:
        found = self._labels.get(key)
        if found is None:
            found = self._labels[key] = Labels(self._terms.sources, trusted=self._terms.trusted)
        return found

    def _plan_of(self, key: str) -> Plan:
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = Plan(self._labels_of_key(key), self._terms.sinks)
        return found


def _stricter(decision: Decision, seen: Seen) -> Decision:
    rule = f"firewall {seen.rule}".rstrip()
    if seen.answer == "deny":
        return Decision(Answer.DENY, rule, seen.reason)
    if seen.answer == "ask" and decision.answer is not Answer.DENY:
        asked = Approval(name=rule, reason=seen.reason)
        return Decision(Answer.ASK, decision.rule or rule, seen.reason, (*decision.approvals, asked))
    return decision


def _texts(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for item in value.values() for text in _texts(item)]  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [text for item in value for text in _texts(item)]  # pyright: ignore[reportUnknownVariableType]
        case int() | float():
            return [str(value)]
        case _:
            return []
