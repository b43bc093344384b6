"""The vocabulary: what is asked, what came of it, and the seam at which something acts."""

from bailiwick.effects.actuator import Actuator, Result
from bailiwick.effects.conduct import NOT_HAPPENED, PLAIN, UNKNOWN, Conduct, Happened, Retry, Unanswered
from bailiwick.effects.failure import describe, rebuild
from bailiwick.effects.fold import Effect, fold
from bailiwick.effects.obtained import Obtained
from bailiwick.effects.records import (
    FREE,
    Attempt,
    Attestation,
    Cost,
    EffectClass,
    Erasure,
    Failure,
    Fidelity,
    Intent,
    Kind,
    Outcome,
    Record,
    Reentry,
    Seal,
    Settlement,
    Settler,
    Status,
)
from bailiwick.effects.secret import Secret
from bailiwick.effects.signature import IdempotencyKey, Signature
from bailiwick.effects.tool import Compensable, Function, Tool, compensable, tool

__all__ = [
    "FREE",
    "NOT_HAPPENED",
    "PLAIN",
    "UNKNOWN",
    "Actuator",
    "Attempt",
    "Attestation",
    "Compensable",
    "Conduct",
    "Cost",
    "Effect",
    "EffectClass",
    "Erasure",
    "Failure",
    "Fidelity",
    "Function",
    "Happened",
    "IdempotencyKey",
    "Intent",
    "Kind",
    "Obtained",
    "Outcome",
    "Record",
    "Reentry",
    "Result",
    "Retry",
    "Seal",
    "Secret",
    "Settlement",
    "Settler",
    "Signature",
    "Status",
    "Tool",
    "Unanswered",
    "compensable",
    "describe",
    "fold",
    "rebuild",
    "tool",
]
