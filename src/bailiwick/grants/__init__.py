"""Who may ask for what, and spend how much: grants narrower than those they come from, budgets held before an effect (invariants 4, 5)."""

from bailiwick.grants.account import Low
from bailiwick.grants.book import GrantBook, Held, Taken
from bailiwick.grants.budget import Budget
from bailiwick.grants.escrow import Escrow
from bailiwick.grants.grant import Coverage, Grant, Limit, Narrowing, is_within, narrow, widening
from bailiwick.grants.hold import NOTHING_HELD, Hold
from bailiwick.grants.keys import AgentKey, HostSecret, RootKey, can_mint
from bailiwick.grants.mint import Mint
from bailiwick.grants.purse import Purse
from bailiwick.grants.records import (
    KeptHold,
    KeptPurse,
    Presented,
    PurseTree,
    SliceExpired,
    SliceGranted,
    SliceRecord,
    SliceReturned,
)
from bailiwick.grants.revocation import Revocations
from bailiwick.grants.tokens import Token, action_digest, attenuate, grants_in, mint_token, present
from bailiwick.grants.tree import restored, state_of
from bailiwick.grants.uses import Use, Uses
from bailiwick.grants.vault import Vault
from bailiwick.grants.verifier import Incarnation, Standing, Verifier

__all__ = [
    "NOTHING_HELD",
    "AgentKey",
    "Budget",
    "Coverage",
    "Escrow",
    "Grant",
    "GrantBook",
    "Held",
    "Hold",
    "HostSecret",
    "Incarnation",
    "KeptHold",
    "KeptPurse",
    "Limit",
    "Low",
    "Mint",
    "Narrowing",
    "Presented",
    "Purse",
    "PurseTree",
    "Revocations",
    "RootKey",
    "SliceExpired",
    "SliceGranted",
    "SliceRecord",
    "SliceReturned",
    "Standing",
    "Taken",
    "Token",
    "Use",
    "Uses",
    "Vault",
    "Verifier",
    "action_digest",
    "attenuate",
    "can_mint",
    "grants_in",
    "is_within",
    "mint_token",
    "narrow",
    "present",
    "restored",
    "state_of",
    "widening",
]
