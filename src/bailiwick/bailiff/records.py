"""What the first entry of a branch says of it, and what the desk of a running bailiwick is asked and answers."""

from __future__ import annotations

import msgspec

from bailiwick.charter import Charter
from bailiwick.effects import Failure, Request, Revocation, Ruling
from bailiwick.gateway import Ruled
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


class ListWaiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="list"):
    """Which effects wait for people. Answered with `Waiting`."""

    only: EffectId | None = None
    """This one alone."""
    after: int = 0
    """Those whose number is above this one."""


class Decide(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="decide"):
    """Somebody decided on these, on all or on none. Answered with `Decided`, once it is durable."""

    rulings: tuple[Ruling, ...]


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One effect that waits."""

    requests: tuple[Request, ...]
    """What was asked last, of whom."""
    rulings: tuple[Ruling, ...] = ()
    """What they said since."""
    seq: int = 0
    """The number of the first request on the record: they are listed in this order."""
    cut: bool = False
    """Whether the arguments were left out, because they are too long for a message."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="waiting"):
    """What waits, the oldest first."""

    pending: tuple[Pending, ...] = ()
    more: bool = False
    """Whether there are more behind the last of these."""


class Decided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="decided"):
    """How it is with the effects that were decided on."""

    ruled: tuple[Ruled, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="problem"):
    """It was not done, for this reason."""

    failure: Failure


class Amendment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The arguments of an amendment."""

    charter: Charter
    instead_of: str
    """The digest of the charter that the settings name."""
    who: str
    why: str = ""


class Revoke(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="revoke"):
    """Somebody takes back what was granted. Answered with `Revoked`, once it is durable and nothing is admitted under it any more."""

    revocation: Revocation


class Revoked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="revoked"):
    """What was taken back."""

    revocation: Revocation
    """As it stands on record."""
    grants: tuple[str, ...] = ()
    """Ids of the grants of this process that it took back."""


class Amend(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="amend"):
    """Somebody wants another charter in force. Answered with `Amended`."""

    charter: Charter
    who: str
    why: str = ""


class Amended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="amended"):
    """It is in force."""

    replaced: Charter
    """The one before, with which it can be taken back."""
