"""An effect as those see it who decide whether it may happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bailiwick.effects.records import FREE, Cost, EffectClass, Kind
from bailiwick.ids import AgentId, RunId

NO_LABELS: Mapping[str, frozenset[str]] = {}


class Call(NamedTuple):
    """What is asked for, by whom, on whose behalf. Nothing in it is trusted because of what it says: names are compared, not run."""

    kind: Kind
    tool: str
    """A tool's name; for an ask ``Class.action``; for a spawn the class."""
    effect: EffectClass
    arguments: Mapping[str, Any]
    """By name, as they stand on the record: numbers, texts, bytes, lists, maps; a secret is its digest."""
    agent: AgentId
    agent_class: str
    run: RunId
    principal: str
    """The person or program that answers for it."""
    at_ns: int
    estimate: Cost = FREE
    labels: Mapping[str, frozenset[str]] = NO_LABELS
    """For each argument, where the data in it came from, as far as that is not trusted: ``web``, ``mail``, a tool's name."""
    planning: bool = False
    """True: it is only asked whether it would be allowed; nothing will be done."""
