"""Bailiwick: a runtime for persistent agents that keeps each one inside its authority.

Every effect an agent has on the world is authorised before it happens, recorded before and after, and paid for. After a crash it is read
from the record, not done again. Start with `Agent`, `action`, `tool` and `session`; ARCHITECTURE.md has the map.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bailiwick.agents import Agent, Handle, Receipt, action, event, loop, timer
    from bailiwick.bailiff import Bailiwick, session
    from bailiwick.charter import Charter, Rule
    from bailiwick.effects import (
        NOT_HAPPENED,
        UNKNOWN,
        Cost,
        EffectClass,
        Fidelity,
        Happened,
        IdempotencyKey,
        Obtained,
        Retry,
        Secret,
        Tool,
        compensable,
        tool,
    )
    from bailiwick.grants import Budget

_FACES = {
    "bailiwick.agents": ("Agent", "Handle", "Receipt", "action", "event", "loop", "timer"),
    "bailiwick.bailiff": ("Bailiwick", "session"),
    "bailiwick.charter": ("Charter", "Rule"),
    "bailiwick.effects": (
        "NOT_HAPPENED",
        "UNKNOWN",
        "Cost",
        "EffectClass",
        "Fidelity",
        "Happened",
        "IdempotencyKey",
        "Obtained",
        "Retry",
        "Secret",
        "Tool",
        "compensable",
        "tool",
    ),
    "bailiwick.grants": ("Budget",),
}
_FACE_OF = {name: face for face, names in _FACES.items() for name in names}

__all__ = [
    "NOT_HAPPENED",
    "UNKNOWN",
    "Agent",
    "Bailiwick",
    "Budget",
    "Charter",
    "Cost",
    "EffectClass",
    "Fidelity",
    "Handle",
    "Happened",
    "IdempotencyKey",
    "Obtained",
    "Receipt",
    "Retry",
    "Rule",
    "Secret",
    "Tool",
    "action",
    "compensable",
    "event",
    "loop",
    "session",
    "timer",
    "tool",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that the command line starts fast."""
    face = _FACE_OF.get(name)
    if face is None:
        raise AttributeError(f"module 'bailiwick' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(face), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
