"""The vocabulary: what is asked, what came of it, and the seam at which something acts."""

from bailiwick.effects.actuator import Actuator, Result
from bailiwick.effects.causality import FALLING, Causality, Kin, is_model_call, opens
from bailiwick.effects.comparing import Difference, Parting, compare
from bailiwick.effects.conduct import NOT_HAPPENED, PLAIN, UNKNOWN, Conduct, Happened, Retry, Unanswered
from bailiwick.effects.failure import describe, rebuild
from bailiwick.effects.fold import STATES, Effect, fold
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
from bailiwick.effects.undoing import Dependence, Plan, Stay, plan_undo, those_since, those_under, why_it_stays, with_what_is_inside

__all__ = [
    "FALLING",
    "FREE",
    "NOT_HAPPENED",
    "PLAIN",
    "STATES",
    "UNKNOWN",
    "Actuator",
    "Attempt",
    "Attestation",
    "Causality",
    "Compensable",
    "Conduct",
    "Cost",
    "Dependence",
    "Difference",
    "Effect",
    "EffectClass",
    "Erasure",
    "Failure",
    "Fidelity",
    "Function",
    "Happened",
    "IdempotencyKey",
    "Intent",
    "Kin",
    "Kind",
    "Obtained",
    "Outcome",
    "Parting",
    "Plan",
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
    "Stay",
    "Tool",
    "Unanswered",
    "compare",
    "compensable",
    "describe",
    "fold",
    "is_model_call",
    "opens",
    "plan_undo",
    "rebuild",
    "those_since",
    "those_under",
    "tool",
    "why_it_stays",
    "with_what_is_inside",
]
