"""The vocabulary: what is asked, what came of it, and the seam at which something acts."""

from bailiwick.effects.actuator import Actuator, Result
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
from bailiwick.effects.signature import Signature
from bailiwick.effects.tool import Compensable, Tool, compensable, tool

__all__ = [
    "FREE",
    "Actuator",
    "Attempt",
    "Attestation",
    "Compensable",
    "Cost",
    "Effect",
    "EffectClass",
    "Erasure",
    "Failure",
    "Fidelity",
    "Intent",
    "Kind",
    "Obtained",
    "Outcome",
    "Record",
    "Reentry",
    "Result",
    "Seal",
    "Settlement",
    "Settler",
    "Signature",
    "Status",
    "Tool",
    "compensable",
    "describe",
    "fold",
    "rebuild",
    "tool",
]
