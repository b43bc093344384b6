"""What the firewall keeps: rules and where they came from, the calls it remembers, the data it traces. All of it crosses a restart."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bailiwick.effects import EffectClass

TermKind = Literal["equals", "hosts", "under", "between", "tokens", "words", "absent", "shape", "labels"]
Action = Literal["allow", "ask", "block"]


class Term(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One condition on one argument in its canonical form. Of a list it must hold for every element."""

    kind: TermKind
    """``equals``: the text is one of ``values``. ``hosts``: the host of the URL or mail address is one of them (``.a.org``: or below
    it). ``under``: the path is one of them or below it. ``between``: the number is in ``low``…``high``. ``tokens``: they occur in
    this order. ``words``: it has no other word, but for ``high`` of them. ``absent``: none occurs. ``shape``: no longer than
    ``high`` characters, and of the marks only these. ``labels``: it carries none of these labels (``*``: none at all)."""
    argument: str = "*"
    """Its name, dotted where it is nested; ``*``: any argument (for ``absent`` and ``labels``: every one)."""
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who proposed a rule, and from what."""

    by: str
    """``person:ada``, ``judge``, ``program``."""
    calls: tuple[str, ...] = ()
    """Digests of the calls it was made of, newest last, at most 32."""
    labels: tuple[str, ...] = ()
    """Labels of the data in those calls: what outsiders may have had a hand in needs more agreement."""
    replaces: str = ""
    """The rule it repairs."""


class FastRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Calls of ``tool`` for which every term holds are allowed, blocked, or asked about, until it expires."""

    id: str
    action: Action
    tool: str
    """A tool's name, or ``*``."""
    terms: tuple[Term, ...] = ()
    closed: bool = False
    """Covers no call that has an argument no term speaks of. Every learnt ``allow`` is closed."""
    reason: str = ""
    origin: Origin = Origin(by="program")
    created_ns: int = 0
    expires_ns: int = 0
    """Zero: never."""
    shadow: bool = False
    """It watches and decides nothing."""
    pinned: bool = False
    """A person holds it in place: learning neither changes nor removes it."""
    agreed: int = 0
    """Verdicts on distinct calls that agree with it."""
    hits: int = 0


class Remembered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that was judged, and how often each way."""

    digest: str
    tool: str
    effect: EffectClass
    arguments: dict[str, Any]
    labels: dict[str, tuple[str, ...]] = {}
    benign: int = 0
    attack: int = 0
    at_ns: int = 0
    contested: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A text that came from outside, in the form in which it is compared."""

    effect: str
    labels: tuple[str, ...]
    text: str
    words: tuple[str, ...] = ()


class FirewallState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a firewall has learnt."""

    rules: tuple[FastRule, ...] = ()
    remembered: tuple[Remembered, ...] = ()
    revoked: tuple[str, ...] = ()
    installs_ns: tuple[int, ...] = ()
    labelled_ns: tuple[int, ...] = ()
    """When rules were installed that outsiders may have had a hand in."""
    doubts: tuple[str, ...] = ()


class LabelsState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a run's labels know."""

    heard: tuple[Heard, ...] = ()
    trusted: tuple[str, ...] = ()
    tails: dict[str, str] = {}
    forgot: bool = False


class PlanState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A plan that was fixed."""

    tools: tuple[str, ...]
    sinks: dict[str, dict[str, tuple[str, ...]]] = {}
