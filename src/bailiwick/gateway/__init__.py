"""The only door: what is asked is checked, recorded, performed, and recorded again."""

from bailiwick.gateway.notary import AnchorStanding, Notary, Standing
from bailiwick.gateway.perform import Gateway, same_question
from bailiwick.gateway.recollection import MILESTONES, SESSION, Recollection
from bailiwick.gateway.undo import Undoing, undo_of

__all__ = [
    "MILESTONES",
    "SESSION",
    "AnchorStanding",
    "Gateway",
    "Notary",
    "Recollection",
    "Standing",
    "Undoing",
    "same_question",
    "undo_of",
]
