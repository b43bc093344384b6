"""What an agent may and may not do, declared (invariant 7)."""

from bailiwick.charter.charter import REVERSIBLE, Charter, Rule, Verdict

__all__ = ["REVERSIBLE", "Charter", "Rule", "Verdict"]
