"""What speaks against loading a charter is said before it is loaded."""

from __future__ import annotations

import sys
from unittest.mock import patch

import pytest

from bailiwick import tool
from bailiwick.charter import Approval, Charter, Example, Preference, Rule, compile_charter, compile_verified, verify
from bailiwick.effects import EffectClass, Tool
from bailiwick.errors import BadInput
from tests.unit.charter.calls import EVERYTHING, denying


@tool
def pay(usd: float, to: str, note: str | None = None) -> None:
    """Pays."""


@tool(effect="read")
def look(names: list[str], deep: bool = False) -> None:
    """Looks."""


TOOLS: list[Tool] = [pay, look]


def said(charter: Charter, tools: list[Tool] | None = None) -> str:
    return "; ".join(map(str, verify(charter, tools=tools)))


@pytest.mark.parametrize(
    ("when", "tool_", "why"),
    [
        ("context.argments.usd > 5", "pay", "deny 1: no attribute `context.argments`; did you mean `arguments`?"),
        ("context.arguments.udd > 5", "pay", "no tool that it covers has an argument `udd`; did you mean `usd`?"),
        ("context.arguments has notes", "*", "did you mean `note`?"),
        ("context.estimate.token > 5", "pay", "did you mean `tokens`?"),
        ('context.effect == "reed"', "*", 'no effect is "reed"; did you mean `read`?'),
        ('context.arguments.usd == "5"', "pay", "`context.arguments.usd` is used as string"),
        ("context.arguments.to > 5", "pay", "`context.arguments.to` is used as number"),
        ("context.arguments.deep > 5", "look", "is used as number"),
        ('context.labels.too.contains("web")', "pay", "did you mean `to`?"),
        ("context.agent_class > 5", "*", "cannot be used as number"),
        ("context.tool.name == 5", "*", "has no attribute `name`"),
        ("1 == 1", "pay", "always true"),
        ("1 == 2", "pay", "never true"),
        ("context.arguments.usd > 5 || context.arguments.usd <= 5", "pay", "always true"),
        ("context.arguments.usd > 5 && context.arguments.usd < 5", "pay", "never true"),
        ('context.arguments.to like "' + "*a" * 20 + '"', "pay", "more than 8 wildcards"),
        (" || ".join(['context.arguments.to like "*a"'] * 17), "pay", "17 patterns"),
    ],
)
def test_a_condition_that_says_what_is_not_so_is_a_problem(when: str, tool_: str, why: str) -> None:
    assert why in said(denying(when, tool_), TOOLS)


@pytest.mark.parametrize(
    ("when", "tool_"),
    [
        ("context.arguments.usd > 5", "pay"),
        ('context.arguments.usd.lessThan(decimal("0.5"))', "pay"),
        ('context.arguments has note && context.arguments.note like "*secret*"', "pay"),
        ('context.arguments.names.contains("x") && context.arguments.deep', "look"),
        ('context.labels.to.contains("web") || context.tainted.contains("mail")', "pay"),
        ('context.agent_class == "Buyer" && context.principal != "ann" && context.estimate.usd > 3', "*"),
        ('context.arguments has usd && context.arguments.usd > 5 && context.kind == "tool"', "*"),
        ('principal == Agent::"agt_1" && action == Action::"plan"', "pay"),
    ],
)
def test_a_sound_condition_is_none(when: str, tool_: str) -> None:
    assert said(denying(when, tool_), TOOLS) == ""


def test_a_rule_for_no_tool_is_dead_unless_it_speaks_of_messages() -> None:
    assert 'deny 1: no tool is called "pai"; did you mean `pay`?' in said(Charter(allow=EVERYTHING, deny=(Rule(tool="pai"),)), TOOLS)
    assert "no tool that is read is called" in said(Charter(allow=(Rule(tool="pay", effect=EffectClass.READ),)), TOOLS)
    assert said(Charter(allow=EVERYTHING, deny=(Rule(tool="Bank.pay"), Rule(tool="undo look"))), TOOLS) == ""


def test_a_rule_that_does_not_do_what_its_examples_show_is_not_loaded() -> None:
    rule = Rule(
        tool="pay",
        when="context.arguments.usd > 100",
        examples=(
            Example(tool="pay", arguments={"usd": 101}),
            Example(tool="pay", arguments={"usd": 100.0}, covered=False),
            Example(tool="look", covered=False),
            Example(tool="pay", arguments={"usd": 100}),
            Example(tool="pay", arguments={"to": "x"}),
        ),
    )
    problems = verify(Charter(allow=EVERYTHING, deny=(rule,)))
    assert [(problem.rule, problem.what.partition(":")[0]) for problem in problems] == [
        ("deny 1", "example 4, pay(usd=100) (irreversible)"),
        ("deny 1", "example 5, pay(to='x') (irreversible)"),
    ]
    with pytest.raises(BadInput, match="the charter is not loaded: deny 1: example 4"):
        compile_verified(Charter(allow=EVERYTHING, deny=(rule,)))


def test_all_problems_are_said_at_once() -> None:
    charter = Charter(deny=(Rule(when="context.arguments.usd >"), Rule(when="1 +"), Rule()), cedar="permit(", allow=(Rule(when="("),))
    assert [str(problem).partition(":")[0] for problem in verify(charter)] == ["deny 1", "deny 2", "allow 1", "cedar"]


def test_approvals_that_nobody_can_give_names_given_twice_and_preferences_are_looked_at() -> None:
    charter = Charter(
        allow=(Rule(name="a"), Rule(name="a")),
        approvals=(Approval(ask=("bob",), need=2), Approval(within_s=0)),
        preferences=(Preference(name="cheap", when="context.estimate.use < 1"), Preference(name="odd", weight=float("nan"))),
    )
    text = said(charter)
    for part in ("2 must agree, and 1 may be asked", "within_s is 0", "2 rules have this name", "did you mean `usd`?", "its weight is nan"):
        assert part in text


def test_a_charter_too_large_is_refused_before_it_is_read() -> None:
    assert "at most 100000" in said(Charter(deny=(Rule(when="("),) * 100_001))
    assert "at most 20000" in said(Charter(deny=(Rule(when="("),) * 20_001))
    assert "wildcards" in said(Charter(deny=(Rule(tool="*a" * 50),)))


def test_a_charter_that_needs_cedar_is_refused_where_it_is_not_installed() -> None:
    with patch.dict(sys.modules, {"cedarpy": None}):
        assert compile_verified(Charter(deny=(Rule(tool="pay"),))).entries
        for charter in (denying("true"), Charter(cedar="permit(principal, action, resource);")):
            with pytest.raises(BadInput, match=r"pip install 'bailiwick\[charter\]'"):
                compile_verified(charter)
            with pytest.raises(BadInput, match=r"pip install 'bailiwick\[charter\]'"):
                compile_charter(charter)
