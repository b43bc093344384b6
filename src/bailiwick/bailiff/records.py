"""What the first entry of a branch says of it."""

from __future__ import annotations

import msgspec

from bailiwick.ids import BranchId, EffectId, RunId


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another value in the place of what an effect returned."""

    effect: EffectId
    run: RunId
    position: str
    value: bytes
    """Encoded."""


class Branch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that left the record it began on, to go on otherwise."""

    id: BranchId
    run: RunId
    """The root of the tree of runs."""
    name: str
    base_seq: int
    """The last entry of the base that the branch has in common with it."""
    base_hash: bytes
    """32 bytes: the hash of that entry. So the branch names all of its past."""
    seals_until: int
    """Agents went on from their seals up to this entry; from later ones they did not."""
    changes: tuple[Change, ...] = ()
    live: bool = False
    """Whether its effects really happened."""
    who: str = ""
    at_ns: int = 0
