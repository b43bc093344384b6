"""The only door: checks, records and performs every effect (invariants 1, 2, 3 and 7)."""

from bailiwick.gateway.perform import Gateway, same_question
from bailiwick.gateway.recollection import Answered

__all__ = ["Answered", "Gateway", "same_question"]
