"""Who may spend how much: budgets, held before an effect and settled after it (invariant 4)."""

from bailiwick.grants.purse import Budget, Hold, Purse

__all__ = ["Budget", "Hold", "Purse"]
