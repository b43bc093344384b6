"""The only door: what is asked is checked, recorded, performed, and recorded again."""

from bailiwick.gateway.approvals import Approvals
from bailiwick.gateway.authority import Authority
from bailiwick.gateway.docket import MOST_AT_ONCE, Case, CaseState, Docket, action_of, read_docket
from bailiwick.gateway.mandate import Mandate
from bailiwick.gateway.notary import AnchorStanding, Notary, Standing
from bailiwick.gateway.perform import Gateway, same_question
from bailiwick.gateway.planned import planned
from bailiwick.gateway.question import Asked, ruled
from bailiwick.gateway.recollection import AMEND, MILESTONES, SESSION, Recollection
from bailiwick.gateway.records import May, Parked, Ruled, Terms
from bailiwick.gateway.screen import Screen
from bailiwick.gateway.undo import Undoing, undo_of

__all__ = [
    "AMEND",
    "MILESTONES",
    "MOST_AT_ONCE",
    "SESSION",
    "AnchorStanding",
    "Approvals",
    "Asked",
    "Authority",
    "Case",
    "CaseState",
    "Docket",
    "Gateway",
    "Mandate",
    "May",
    "Notary",
    "Parked",
    "Recollection",
    "Ruled",
    "Screen",
    "Standing",
    "Terms",
    "Undoing",
    "action_of",
    "planned",
    "read_docket",
    "ruled",
    "same_question",
    "undo_of",
]
