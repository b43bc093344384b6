"""What the gateway itself seals on the record."""

from __future__ import annotations

import msgspec

from bailiwick.effects import Cost
from bailiwick.ids import AgentId, EffectId, RunId

Spent = dict[str, tuple[int, Cost]]
"""By tool: how often it was called, and what all its calls did cost."""


class Milestone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must be known of the past to go on from it: of every tree of runs that has not ended. Ids only; what stands behind them
    is on record."""

    spent: dict[str, Spent] = {}
    """By root."""
    unsealed: dict[AgentId, list[EffectId]] = {}
    """What each agent answered since its last seal, in the order of the answers."""
    spawned: dict[AgentId, list[EffectId]] = {}
    """The launches of each agent that came off, in order."""
    posted: dict[AgentId, list[EffectId]] = {}
    """One-way asks that each agent has not answered yet, in order."""
    roots: dict[str, RunId] = {}
    """The newest run of each name."""
    under_way: dict[RunId, str] = {}
    """The runs that have not ended, and their names."""
    undone: dict[str, list[EffectId]] = {}
    """By root: what was done in its tree and taken back by another run. It cannot be gone through again as if that still stood."""
