"""What a charter says, as it is written: in TOML, in Python, on the wire. What it means is decided elsewhere in this package."""

from __future__ import annotations

import enum
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

import msgspec

from bailiwick import codec
from bailiwick.charter.firewall.records import FastRule
from bailiwick.effects import EffectClass
from bailiwick.grants import Budget


class Answer(enum.StrEnum):
    """What a charter says of a call."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"
    """Allowed once those have agreed whom the charter names."""


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A call, and what the rule that carries it must say of it; tried before the rule is loaded."""

    tool: str
    effect: EffectClass = EffectClass.IRREVERSIBLE
    arguments: dict[str, Any] = {}
    labels: dict[str, tuple[str, ...]] = {}
    covered: bool = True
    """Whether the rule speaks of this call."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Covers the effects whose tool matches ``tool``, whose class is ``effect`` and of which ``when`` is true.

    ``tool`` is a name with shell wildcards (``send_*``). For a message to an agent the name is ``Class.action``.
    """

    tool: str = "*"
    effect: EffectClass | None = None
    when: str = ""
    """A condition in Cedar's expression language: ``context.arguments.usd > 100``. Needs ``bailiwick[charter]``."""
    name: str = ""
    reason: str = ""
    """Why, in words for whoever is refused."""
    examples: tuple[Example, ...] = ()

    def covers(self, tool: str, effect: EffectClass | None) -> bool:
        """Whether this rule speaks of such an effect; with None for its class, only a rule for every class does. ``when``
        does not count."""
        return (self.effect is None or self.effect is effect) and fnmatchcase(tool, self.tool)

    def __str__(self) -> str:
        """What it covers, in one line."""
        return f'tool "{self.tool}"' + (f", effect {self.effect}" if self.effect else "") + (f", when {self.when}" if self.when else "")


class Verdict(NamedTuple):
    """What a charter without conditions says of one effect, and which rule made it say so."""

    allowed: bool
    rule: Rule | None
    """The deny that won, or the allow that let it through; None where nothing allows it."""


class OnTimeout(enum.StrEnum):
    """What happens to a call on which nobody decided in time. No answer is a no (invariant 7)."""

    REJECT = "reject"
    HOLD = "hold"
    """It waits on, and is asked again of whoever comes next."""


class Approval(Rule, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Calls that wait until people have agreed."""

    ask: tuple[str, ...] = ()
    """Who may decide; empty: the principal."""
    need: int = 1
    """How many of them must agree; one no is a no."""
    within_s: float = 86_400
    on_timeout: OnTimeout = OnTimeout.REJECT
    escalate_to: tuple[str, ...] = ()
    """Who may decide as well once half of the time has passed."""


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an agent is for."""

    name: str
    text: str = ""
    needs: tuple[Example, ...] = ()
    """Calls without which it cannot be reached."""
    calls: dict[str, int] = {}
    """How often each tool must be used at least to reach it."""


class Preference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is liked better, never required. The first in a charter ranks highest; ``weight`` says by how much."""

    name: str
    text: str = ""
    when: str = ""
    """A condition as in `Rule`: calls of which it is true are preferred."""
    weight: float = 1.0


class SafetyEnvelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A safety property over time: ``property`` is in the language of `bailiwick.charter.envelopes`."""

    name: str
    property: str
    reason: str = ""
    scope: str = "run"
    """What it is kept for, each on its own: ``run`` (a tree of runs), ``agent``, or ``all``."""


class Screening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How calls are screened for what others wrote into them; see `bailiwick.charter.firewall`."""

    policy: Literal["hold", "allow", "ask"] = "hold"
    """What becomes of a call that no rule of the firewall knows and that can be taken back; one that cannot waits for the judge."""
    sources: dict[str, tuple[str, ...]] = {}
    """What the results of tools are labelled with, by name or pattern; nothing: they are trusted. Of others: with the tool's name."""
    sinks: dict[str, tuple[str, ...]] = {}
    """By tool, the arguments that say where an effect goes; of others they are known by their names."""
    trusted: tuple[str, ...] = ()
    """Texts that are the principal's own: addresses, accounts, folders."""
    rules: tuple[FastRule, ...] = ()
    """Rules that somebody wrote."""


REVERSIBLE = tuple(Rule(effect=effect) for effect in EffectClass if effect is not EffectClass.IRREVERSIBLE)
"""What an agent may do where nobody wrote a charter: everything but the irreversible."""


class Charter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What agents are for, and what they may do. The order of rules means nothing."""

    principal: str = ""
    """Who answers for it; empty: whoever runs it."""
    goals: tuple[Goal, ...] = ()
    preferences: tuple[Preference, ...] = ()
    allow: tuple[Rule, ...] = REVERSIBLE
    deny: tuple[Rule, ...] = ()
    """Prohibitions."""
    approvals: tuple[Approval, ...] = ()
    envelopes: tuple[SafetyEnvelope, ...] = ()
    discretion: tuple[str, ...] = ()
    """Tools, with wildcards, of which anything is allowed that nothing else forbids: what the agent's own judgement is for."""
    cedar: str = ""
    """More rules, written in Cedar."""
    budget: Budget = Budget()
    firewall: Screening | None = None
    """Absent: data is not followed, and nothing is screened."""

    @property
    def digest(self) -> str:
        """16 hex digits: the same for charters that mean the same and number their rules alike. Reasons, examples, goals and preferences
        do not count. Records name a rule by its number in the charter of this digest."""
        allow, deny = ([(rule.tool, rule.effect, rule.when, rule.name) for rule in rules] for rules in (self.allow, self.deny))
        approvals = [msgspec.structs.replace(approval, reason="", examples=()) for approval in self.approvals]
        envelopes = [(envelope.name, envelope.property, envelope.scope) for envelope in self.envelopes]
        meaning = (self.principal, allow, deny, approvals, envelopes, self.discretion, self.cedar, self.budget)
        return codec.digest(codec.encode(meaning))[:16]

    def verdict(self, tool: str, effect: EffectClass | None) -> Verdict:
        """Denied if any deny rule covers it, else allowed if any allow rule does, else denied. Conditions are taken for true where they
        deny and for false where they allow; `compile_charter` looks at them, and at everything else."""
        for rule in self.deny:
            if rule.covers(tool, effect):
                return Verdict(False, rule)
        for rule in self.allow:
            if not rule.when and rule.covers(tool, effect):
                return Verdict(True, rule)
        return Verdict(False, None)
