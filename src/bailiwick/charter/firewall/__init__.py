"""The firewall that learns: calls in one spelling, fast rules, a slow judge, labels on what comes from outside, and plans."""

from bailiwick.charter.firewall.canonical import Canonical, Field, canonicalise
from bailiwick.charter.firewall.firewall import Firewall, Seen, explain
from bailiwick.charter.firewall.generalise import sketch
from bailiwick.charter.firewall.judge import ChatJudge, Judge, Opinion, Question, ScriptedJudge, Verdict
from bailiwick.charter.firewall.labels import FORGOTTEN, Labels
from bailiwick.charter.firewall.learning import Caution, Learning
from bailiwick.charter.firewall.plan import SINK_NAMES, Plan
from bailiwick.charter.firewall.records import FastRule, FirewallState, Heard, LabelsState, Origin, PlanState, Remembered, Term
from bailiwick.charter.firewall.rules import Rules, compile_rule
from bailiwick.charter.firewall.text import Folded, decodings, fold, squash

__all__ = [
    "FORGOTTEN",
    "SINK_NAMES",
    "Canonical",
    "Caution",
    "ChatJudge",
    "FastRule",
    "Field",
    "Firewall",
    "FirewallState",
    "Folded",
    "Heard",
    "Judge",
    "Labels",
    "LabelsState",
    "Learning",
    "Opinion",
    "Origin",
    "Plan",
    "PlanState",
    "Question",
    "Remembered",
    "Rules",
    "ScriptedJudge",
    "Seen",
    "Term",
    "Verdict",
    "canonicalise",
    "compile_rule",
    "decodings",
    "explain",
    "fold",
    "sketch",
    "squash",
]
