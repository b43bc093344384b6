"""What monitors keep of the past, as it is sealed. Fields are only added, with defaults."""

from __future__ import annotations

from typing import Any

import msgspec


class KeptStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One event that may yet turn out not to have happened, or one that came after such a one."""

    id: str
    fact: Any = None
    at_ns: int = 0
    open: bool = False
    broken: bool = False


class KeptWatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One property, for one run, agent or all: what its monitor knows. Of each kind of monitor some fields."""

    now_ns: int = 0
    cells: tuple[Any, ...] = ()
    """The state of a formula before ``steps``."""
    steps: tuple[KeptStep, ...] = ()
    reported: str = ""
    times: tuple[int, ...] = ()
    amounts: tuple[float, ...] = ()
    settled: float = 0.0
    pending: tuple[tuple[str, int, float], ...] = ()
    """Effects in flight: id, when, how much."""
    recent: tuple[str, ...] = ()


class KeptEnvelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All monitors of one envelope, by what they are for."""

    name: str
    property: str
    scope: str = "run"
    watches: dict[str, KeptWatch] = {}


class KeptMonitors(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The monitors of a charter, sealed."""

    envelopes: tuple[KeptEnvelope, ...] = ()
