"""Identifiers: a prefix that says what is named, 12 hex digits of time, 20 hex digits that make it unique.

Ids sort by the time their root was made (milliseconds since 1970). A *derived* id keeps the time of its parent and
hashes (parent, position) for the rest, so code that is run again asks with the ids it asked with before.
"""

from __future__ import annotations

import os
import secrets
from hashlib import blake2b
from typing import NewType

AgentId = NewType("AgentId", str)
RunId = NewType("RunId", str)
EffectId = NewType("EffectId", str)
HostId = NewType("HostId", str)
BranchId = NewType("BranchId", str)

_TIME = slice(4, 16)
"""Where the time digits stand in every id: after a three-letter prefix and ``_``."""


def new_run_id(now_ns: int) -> RunId:
    """A run nobody asked for: the root of a tree of runs."""
    return RunId(_mint("run", _later_than_the_last(now_ns)))


def new_host_id(now_ns: int) -> HostId:
    """One process that runs agents, from its start to its end."""
    return HostId(_mint("hst", now_ns))


def new_grant_id(now_ns: int) -> str:
    """What one process may spend."""
    return _mint("grt", now_ns)


def new_branch_id(now_ns: int) -> BranchId:
    """A run that left the record at some point to go on otherwise."""
    return BranchId(_mint("brn", now_ns))


def root_key(any_id: str) -> str:
    """What an id shares with all that descend from the same root, and with nothing else: the time of the root."""
    return any_id[_TIME]


def effect_id(run: str, position: str) -> EffectId:
    """The effect at ``position`` of ``run``; the same for the same two, always."""
    # Spelled out rather than by `_digest`: this is on the path of every effect.
    return EffectId(f"eff_{run[4:16]}{blake2b(f'{run}|{position}'.encode(), digest_size=10).hexdigest()}")


def run_of(effect: str) -> RunId:
    """The run that an ask opens at the agent that answers: the same digits under another prefix."""
    return RunId(f"run_{effect[4:]}")


def ask_of(run: str) -> EffectId:
    """The ask that opened ``run``; the inverse of `run_of`."""
    return EffectId(f"eff_{run[4:]}")


def agent_of(effect: str) -> AgentId:
    """The agent that a spawn makes: the same digits under another prefix."""
    return AgentId(f"agt_{effect[4:]}")


def grant_of(effect: str) -> str:
    """What the agent that a spawn makes may spend, where it was given a purse of its own."""
    return f"grt_{effect[4:]}"


def nested_run_id(agent: str, label: str) -> RunId:
    """A run an agent starts by itself, such as the seventh tick of a timer: ``label`` names it within the agent."""
    return RunId(f"run_{agent[_TIME]}{_digest(agent, label)}")


SALT_BYTES = 16

_salts = b""
_salted = 0


def new_salt() -> bytes:
    """16 random bytes that make what is hashed with them impossible to guess. Drawn from a supply: the system is slow to ask."""
    global _salts, _salted
    if _salted >= len(_salts):
        _salts, _salted = secrets.token_bytes(256 * SALT_BYTES), 0
    _salted += SALT_BYTES
    return _salts[_salted - SALT_BYTES : _salted]


def _forget_salts() -> None:
    """In the child of a fork, which must not draw what its parent draws."""
    global _salts
    _salts = b""


os.register_at_fork(after_in_child=_forget_salts)

_last_ms = 0


def _later_than_the_last(now_ns: int) -> int:
    """No two roots of one process share a millisecond, so that `root_key` tells them apart."""
    global _last_ms
    _last_ms = max(now_ns // 1_000_000, _last_ms + 1)
    return _last_ms * 1_000_000


def _mint(prefix: str, now_ns: int) -> str:
    return f"{prefix}_{now_ns // 1_000_000:012x}{secrets.token_hex(10)}"


def _digest(parent: str, label: str) -> str:
    return blake2b(f"{parent}|{label}".encode(), digest_size=10).hexdigest()
