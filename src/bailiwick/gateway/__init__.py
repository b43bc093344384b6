"""The only door: what is asked is checked, recorded, performed, and recorded again."""

from bailiwick.gateway.perform import Gateway, same_question
from bailiwick.gateway.recollection import MILESTONES, SESSION, Recollection
from bailiwick.gateway.undo import Undoing, undo_of

__all__ = ["MILESTONES", "SESSION", "Gateway", "Recollection", "Undoing", "same_question", "undo_of"]
