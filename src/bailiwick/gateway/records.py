"""What the gateway itself puts on the record: what it must remember, what people said, what a launch gives, what may be done."""

from __future__ import annotations

import msgspec

from bailiwick.charter import Answer, Charter
from bailiwick.effects import Cost, Revocation
from bailiwick.grants import Budget, Narrowing
from bailiwick.ids import AgentId, EffectId, RunId

Spent = dict[str, tuple[int, Cost]]
"""By tool: how often it was called, and what all its calls did cost."""


class Parked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must be known of the approvals that are waited for: where they stand on the record."""

    entries: list[int] = []
    """Numbers of the requests and rulings of open cases and of plans in force, in order."""
    used: dict[EffectId, dict[EffectId, int]] = {}
    """By plan: which effect was done as which of its calls."""
    ended: dict[RunId, str] = {}
    """Runs that a person ended, and why."""


class Milestone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must be known of the past to go on from it: of every tree of runs that has not ended. Ids only; what stands behind them
    is on record."""

    spent: dict[str, Spent] = {}
    """By root, out of its own purse."""
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
    spent_by: dict[AgentId, Spent] = {}
    """By agent, where a launch gave it a purse of its own; it is not in ``spent``."""
    payers: dict[AgentId, AgentId] = {}
    """Whose purse pays, for all who are below a purse of their own."""
    parked: Parked | None = None
    """What waits for people."""
    revoked: list[Revocation] = []
    """All that was taken back."""
    amended: bytes = b""
    """The arguments of the newest change of the charter."""
    monitors: dict[str, list[bytes]] = {}
    """What the monitors of properties over time know: under the agent to whom a launch gave its own, and under nothing the host's."""


class Ruled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is with an effect after somebody decided."""

    id: EffectId
    state: str
    """One of `CaseState`."""
    agreed: tuple[str, ...] = ()
    missing: int = 0
    """How many must still agree."""


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a launch gives to the agent that it makes; what is absent it has as its parent has it."""

    charter: Charter | None = None
    """Laid under the parent's: it can forbid more, and allow nothing more."""
    budget: Budget | None = None
    """Carved from the parent's purse; None: it draws on that one."""
    grant: Narrowing | None = None
    """In what it may ask for less than its parent."""


class May(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said to an agent that asked first. True where it would simply be allowed."""

    answer: Answer
    why: str = ""
    ask: tuple[str, ...] = ()
    """Who would have to agree."""

    def __bool__(self) -> bool:
        return self.answer is Answer.ALLOW
