"""Conflicts are found before anything runs, each with a call that shows it."""

from __future__ import annotations

import pytest

from bailiwick import tool
from bailiwick.charter import Answer, Approval, Charter, Example, Goal, Rule, Severity, compile_charter, find_conflicts
from bailiwick.effects import Cost, EffectClass
from bailiwick.grants import Budget
from tests.unit.charter.calls import EVERYTHING


@tool(estimate=Cost(usd=2.0, tokens=10))
def pay(usd: float, to: str) -> None:
    """Pays."""


def found(charter: Charter, **options: object) -> list[tuple[Severity, tuple[str, ...]]]:
    return [(finding.severity, finding.rules) for finding in find_conflicts(compile_charter(charter), **options).found]  # pyright: ignore[reportArgumentType]


UP_TO, ABOVE = Rule(tool="pay", when="context.arguments.usd <= 1000"), Rule(tool="pay", when="context.arguments.usd > 500")


@pytest.mark.parametrize(
    ("allow", "deny", "severity"),
    [
        (Rule(tool="send_*"), Rule(tool="*_mail"), Severity.CONFLICT),
        (UP_TO, ABOVE, Severity.CONFLICT),
        (Rule(tool="pay"), Rule(tool="pay"), Severity.SHADOWED),
        (Rule(tool="pay"), Rule(tool="p*"), Severity.SHADOWED),
        (Rule(tool="pay"), Rule(when='context.tainted.contains("web")'), Severity.NOTE),
    ],
)
def test_a_pair_that_disagrees_comes_with_a_call_that_shows_it(allow: Rule, deny: Rule, severity: Severity) -> None:
    compiled = compile_charter(Charter(allow=(allow,), deny=(deny,)))
    (finding,) = find_conflicts(compiled).found
    assert (finding.severity, finding.rules) == (severity, ("allow 1", "deny 1"))
    assert finding.witness is not None
    decision = compiled.decide(finding.witness)
    assert (decision.answer, decision.rule, decision.conflicts) == (Answer.DENY, "deny 1", ("allow 1",))


@pytest.mark.parametrize(
    ("allow", "deny"),
    [
        (Rule(), Rule(tool="rm")),
        (Rule(tool="p*"), Rule(tool="pay")),
        (Rule(tool="pay"), ABOVE),
        (UP_TO, Rule(tool="pay", when='context.arguments.to like "*@evil.com"')),
        (Rule(effect=EffectClass.READ), Rule(effect=EffectClass.PURE)),
        (Rule(tool="look"), Rule(tool="pay")),
        (UP_TO, Rule(tool="pay", when="context.arguments.usd > 1000")),
    ],
)
def test_an_exception_is_no_conflict(allow: Rule, deny: Rule) -> None:
    assert found(Charter(allow=(allow,), deny=(deny,))) == []


def test_a_rule_that_decides_nothing_is_found() -> None:
    charter = Charter(allow=EVERYTHING, deny=(Rule(tool="pay"), Rule(tool="p*")), approvals=(Approval(tool="print"), Approval(tool="look")))
    assert found(charter) == [(Severity.SHADOWED, ("deny 1", "deny 2")), (Severity.SHADOWED, ("approval 1", "deny 2"))]


def test_a_goal_that_needs_what_is_forbidden_is_unreachable() -> None:
    charter = Charter(
        goals=(
            Goal(
                name="buy",
                needs=(Example(tool="pay", arguments={"usd": 600}), Example(tool="look", effect=EffectClass.READ)),
                calls={"wipe": 1, "pay": 1},
            ),
        ),
        allow=(Rule(tool="pay"), Rule(tool="look")),
        deny=(ABOVE,),
    )
    findings = find_conflicts(compile_charter(charter)).problems
    assert [(finding.severity, finding.rules) for finding in findings] == [(Severity.UNREACHABLE, ("deny 1",)), (Severity.UNREACHABLE, ())]
    assert "goal buy cannot be reached: no rule of the charter allows it: wipe()" in str(findings[1])


def test_budgets_that_cannot_be_met_are_found() -> None:
    charter = Charter(
        goals=(Goal(name="a", calls={"pay": 3}), Goal(name="b", calls={"pay": 2})),
        allow=EVERYTHING,
        budget=Budget(usd=7.0, calls={"p*": 4}, irreversible=2),
    )
    said = [str(finding) for finding in find_conflicts(compile_charter(charter), tools=[pay]).found]
    assert said == ["budget: goal a needs 3 effects that cannot be taken back, and the budget is 2"]
    loose = Charter(goals=charter.goals, allow=EVERYTHING, budget=Budget(usd=7.0, calls={"p*": 4}))
    said = [str(finding) for finding in find_conflicts(compile_charter(loose), tools=[pay]).found]
    assert said == [
        "budget: all goals together needs 5 calls of `p*`, and the budget is 4",
        "budget: all goals together may cost 10 usd, and the budget is 7",
    ]
    none = Charter(allow=EVERYTHING, budget=Budget(tokens=9))
    assert "`pay` can never be called: one call may cost 10 tokens, and the budget is 9" in str(
        find_conflicts(compile_charter(none), tools=[pay]).found
    )


def test_a_large_charter_is_looked_at_where_rules_meet() -> None:
    charter = Charter(allow=tuple(Rule(tool=f"tool_{n}") for n in range(1_000)), deny=(Rule(tool="tool_7"),))
    findings = find_conflicts(compile_charter(charter))
    assert [(finding.severity, finding.rules) for finding in findings.found] == [(Severity.SHADOWED, ("allow 8", "deny 1"))]
    assert not findings.all_pairs
