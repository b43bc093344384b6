"""Who may spend how much: budgets, held before an effect and settled after it (invariant 4)."""

from bailiwick.grants.purse import NOTHING_HELD, Budget, Hold, Purse

__all__ = ["NOTHING_HELD", "Budget", "Hold", "Purse"]
