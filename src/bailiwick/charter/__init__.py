"""What an agent may and may not do, declared (invariant 7)."""

from bailiwick.charter.charter import Compiled, compile_charter
from bailiwick.charter.conflicts import Finding, Findings, Severity, find_conflicts
from bailiwick.charter.deciding import Decision
from bailiwick.charter.envelopes import Breach, Monitors, Violation, audit, needs_labels, parse_property, violations
from bailiwick.charter.expression import Arithmetic, Computed
from bailiwick.charter.expression import parse as parse_expression
from bailiwick.charter.records import (
    REVERSIBLE,
    Answer,
    Approval,
    Charter,
    Example,
    Goal,
    OnTimeout,
    Preference,
    Rule,
    SafetyEnvelope,
    Screening,
    Verdict,
)
from bailiwick.charter.verification import Problem, compile_verified, verify
from bailiwick.charter.witnesses import shown

__all__ = [
    "REVERSIBLE",
    "Answer",
    "Approval",
    "Arithmetic",
    "Breach",
    "Charter",
    "Compiled",
    "Computed",
    "Decision",
    "Example",
    "Finding",
    "Findings",
    "Goal",
    "Monitors",
    "OnTimeout",
    "Preference",
    "Problem",
    "Rule",
    "SafetyEnvelope",
    "Screening",
    "Severity",
    "Verdict",
    "Violation",
    "audit",
    "compile_charter",
    "compile_verified",
    "find_conflicts",
    "needs_labels",
    "parse_expression",
    "parse_property",
    "shown",
    "verify",
    "violations",
]
