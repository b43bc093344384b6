"""What grants look like on the wire and on record."""

from __future__ import annotations

import msgspec

from bailiwick.effects import FREE, Cost
from bailiwick.grants.budget import Budget


class KeptPurse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One purse as it stands in a milestone. Numbers are in the units of `bailiwick.grants.budget`."""

    owner: str
    above: str | None = None
    """The owner of the purse it was carved from; None for the root."""
    budget: Budget = Budget()
    spent: dict[str, int] = {}
    """By resource: what the owner itself spent, and those below whose purses are closed."""
    calls: dict[str, int] = {}
    """By tool, of the same."""
    counts: dict[str, int] = {}
    """Irreversible effects and spawns, of the same."""


class KeptHold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is held for an effect that is under way."""

    effect: str
    owner: str
    tool: str
    estimate: Cost = FREE
    irreversible: bool = False


class PurseTree(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tree of purses, each after the one it was carved from, and what is held from them."""

    purses: tuple[KeptPurse, ...] = ()
    held: tuple[KeptHold, ...] = ()


class SliceGranted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="slice_granted"):
    """A host may spend this much, for so long. ``amounts`` are by limit, in the units of `bailiwick.grants.budget`."""

    id: str
    host: str
    amounts: dict[str, int]
    lease_s: float
    """From the moment the host asked, by its own clock."""
    at_ns: int = 0


class SliceReturned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="slice_returned"):
    """Nothing is spent from the slice any more; of it ``spent`` was, and the rest may be given to others."""

    id: str
    host: str
    spent: dict[str, int] = {}
    at_ns: int = 0
    who: str = ""
    """Who says so, where it is not the host: whoever read the record of one that crashed."""


class SliceExpired(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="slice_expired"):
    """The lease is over and the host said nothing. The slice counts as spent, whole, until its record says what was."""

    id: str
    host: str
    at_ns: int = 0


SliceRecord = SliceGranted | SliceReturned | SliceExpired
"""What the mint of a budget puts on record."""


class Presented(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="presented", gc=False):
    """A token as its holder shows it at another host, for one action and once. See `present` and `Verifier`."""

    token: bytes
    signature: bytes
    """By the holder's key, over the token, the action, the host, and what follows."""
    nonce: bytes
    at_ns: int
