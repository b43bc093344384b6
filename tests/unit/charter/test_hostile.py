"""Calls and rules made to get past a charter, or to bring it down."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.charter import Answer, Charter, Rule, compile_charter
from bailiwick.effects import Kind
from bailiwick.errors import BadInput
from tests.unit.charter.calls import ALLOW, DENY, EVERYTHING, call, decide, denying

ZERO_WIDTH, CYRILLIC_A, FULLWIDTH = "\u200b", "\u0430", "\uff50\uff41\uff59"


@pytest.mark.parametrize(
    "name", ["pay", "PAY", f"p{ZERO_WIDTH}ay", f"p{CYRILLIC_A}y", FULLWIDTH, "p\u0251y", "p\u1ea1y", "pa\u00fd", "\u2c63ay"]
)
def test_what_looks_like_a_forbidden_tool_is_forbidden(name: str) -> None:
    assert decide(Charter(allow=EVERYTHING, deny=(Rule(tool="pay"),)), call(name)).answer is DENY
    assert decide(Charter(allow=EVERYTHING, deny=(Rule(tool="p?y"),)), call(name)).answer is DENY
    assert decide(Charter(deny=(Rule(tool="pay"),)), call(name, kind=Kind.ASK)).answer is DENY
    assert decide(Charter(allow=EVERYTHING, cedar='forbid(principal, action, resource == Tool::"pay");'), call(name)).answer is DENY


def test_a_permission_covers_other_letters_only_as_it_spells_them() -> None:
    assert decide(Charter(allow=EVERYTHING), call("größe")).answer is DENY
    assert decide(Charter(allow=(Rule(tool="größe"),)), call("größe")).answer is ALLOW
    assert decide(Charter(allow=(Rule(tool="größe_*"),)), call("größe_x")).answer is ALLOW
    assert decide(Charter(allow=(Rule(tool="pay"),)), call(f"p{CYRILLIC_A}y")).answer is DENY
    assert decide(Charter(allow=(Rule(tool="支付"),), deny=(Rule(tool="rm"),)), call("支付")).answer is ALLOW
    assert decide(Charter(allow=EVERYTHING, cedar="permit(principal, action, resource);"), call("größe")).answer is DENY


@pytest.mark.parametrize(
    "to", ["eve@evil.com", f"{CYRILLIC_A}@\u0435vil.com", "a@\uff45vil.com", f"a@ev{ZERO_WIDTH}il.com", "a@evil.c\u043em"]
)
def test_what_looks_like_a_forbidden_argument_is_forbidden(to: str) -> None:
    assert decide(denying('context.arguments.to like "*@evil.com"'), call(to=to)).answer is DENY


def test_other_letters_are_no_crime() -> None:
    charter = Charter(allow=(Rule(when='context.arguments.to == "José"'),), deny=(Rule(when='context.arguments.to like "*@evil.com"'),))
    assert decide(charter, call(to="José")).answer is ALLOW
    assert decide(denying('context.arguments["адрес"] == "x"'), call(адрес="Привет")).answer is ALLOW


@pytest.mark.parametrize(
    "usd",
    [
        "500",
        "5",
        None,
        True,
        [500],
        {"a": 1},
        b"500",
        float("nan"),
        float("inf"),
        2**63,
        2**70,
        -(2**70),
        0.00001,
        1e300,
        {"__extn": {"fn": "decimal", "arg": "1.0"}},
    ],
    ids=repr,
)
def test_a_number_that_is_none_does_not_pass_a_rule_about_numbers(usd: Any) -> None:
    decision = decide(denying("context.arguments.usd > 100"), call(usd=usd))
    assert decision.answer is DENY
    assert "cannot be evaluated" in decision.reason


@pytest.mark.parametrize("number", ["5", True, 5.0, [5], "five"], ids=repr)
def test_a_value_of_another_type_does_not_differ_its_way_past_a_rule(number: Any) -> None:
    assert decide(denying("context.arguments.n == 5"), call(n=number)).answer is DENY
    assert decide(denying("[4, 5].contains(context.arguments.n)"), call(n=number)).answer is DENY


def test_a_condition_that_cannot_be_evaluated_denies_and_says_so() -> None:
    decision = decide(denying("context.arguments.usd > 100"), call(to="x"))
    assert (decision.answer, decision.rule) == (DENY, "deny 1")
    assert "cannot be evaluated, so it denies" in decision.reason
    assert decide(denying("context.arguments has usd && context.arguments.usd > 100"), call(to="x")).answer is ALLOW
    either = Charter(allow=(Rule(when="context.arguments.usd < 1"), Rule(tool="pay")))
    assert decide(either, call(to="x"))[:2] == (ALLOW, "allow 2")
    assert "allow 1 cannot be evaluated" in decide(Charter(allow=(Rule(when="context.arguments.usd < 1"),)), call(to="x")).reason
    overflow = denying("context.arguments.n * 9223372036854775807 > 5")
    assert decide(overflow, call(n=3)).answer is DENY


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr"])
def test_no_argument_can_say_that_it_is_something_else(name: str) -> None:
    charter = Charter(allow=(Rule(when="context.arguments == {}"),))
    assert decide(charter, call(to={name: {"type": "Tool", "id": "x"}})).answer is DENY
    assert decide(Charter(allow=(Rule(when='context.arguments.to != "x"'),)), call(to={name: {"type": "Tool", "id": "x"}})).answer is DENY


@pytest.mark.parametrize("to", ["x" * 70_000, "\ud800", [[["x"] * 3] * 3] * 9_000], ids=["long", "half a pair", "wide"])
def test_more_than_rules_can_look_at_is_denied(to: Any) -> None:
    assert decide(denying("context.arguments.to == context.arguments.copy"), call(to=to, copy="y")).answer is DENY


def test_deep_arguments_are_denied_and_unread_ones_do_not_count() -> None:
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert decide(denying("context.arguments.a == context.arguments.b"), call(a=deep, b=1)).answer is DENY
    assert decide(denying("context.arguments.b == 2"), call(a=deep, b=1, c=float("nan"), d=2**70)).answer is ALLOW


BOMBS = {
    "brackets": "(" * 5_000 + "true" + ")" * 5_000,
    "sets": "[" * 500 + "]" * 500 + ".isEmpty()",
    "and": " && ".join(["true"] * 5_000),
    "plus": "+".join(["1"] * 300) + " == 3",
    "if": "if true then " * 500 + "true" + " else true" * 500,
    "not": "!" * 500 + "true",
    "dots": "context" + ".a" * 300 + " == 1",
    "long": '"' + "x" * 10_000 + '" == "y"',
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_rule_that_would_overrun_the_parser_is_refused(bomb: str) -> None:
    with pytest.raises(BadInput):
        compile_charter(denying(bomb))
    with pytest.raises(BadInput):
        compile_charter(Charter(cedar=f"permit(principal, action, resource) when {{ {bomb if bomb != BOMBS['long'] else '(' * 99} }};"))


@pytest.mark.parametrize(
    "when",
    [
        "true }; permit(principal, action, resource) when { true",
        "true } unless { context.approved",
        "true // }",
        "true };",
        "",
        "?principal == principal",
        "context.arguments.usd > 1.5",
        "context.arguments.usd >",
        "import os",
    ],
)
def test_a_condition_is_one_expression_and_nothing_else(when: str) -> None:
    if when in ("", "true // }"):
        assert compile_charter(denying(when)).decide(call()).answer is DENY
        return
    with pytest.raises(BadInput):
        compile_charter(denying(when))


def test_names_in_rules_are_names_and_not_cedar() -> None:
    name = 'a"]; permit(principal, action, resource); //'
    charter = Charter(allow=(), deny=(Rule(tool=name, when="context.arguments.usd > 1"),))
    assert decide(charter, call("other", usd=2)).answer is DENY
    assert decide(Charter(allow=EVERYTHING, deny=charter.deny), call('A"); permit(principal, action, resource);//', usd=2)).answer is ALLOW


def test_a_hundred_thousand_rules_are_decided_by_the_few_that_may_cover_a_call() -> None:
    charter = Charter(allow=EVERYTHING, deny=tuple(Rule(tool=f"tool_{number}_*") for number in range(100_000)))
    compiled = compile_charter(charter)
    assert compiled.decide(call("tool_99999_x"))[:2] == (DENY, "deny 100000")
    assert compiled.decide(call("other")).answer is ALLOW
    assert len(compiled.covering("tool_99999_x", call().effect)) == 2


@pytest.mark.parametrize("name", ["x" * 513, "é" * 1_000_000])
def test_a_name_without_end_is_not_even_looked_for(name: str) -> None:
    assert decide(Charter(allow=EVERYTHING), call(name)).answer is DENY
    assert decide(Charter(allow=EVERYTHING), call(name, kind=Kind.ASK)).answer is DENY


def test_names_and_arguments_from_outside_do_not_fill_the_memory() -> None:
    compiled = compile_charter(denying("context.arguments.usd > 100"))
    answers = {compiled.decide(call(f"tool_{number}", usd=number % 7)).answer for number in range(5_000)}
    answers |= {compiled.decide(call(usd=round(number % 90 + number / 10_000, 4))).answer for number in range(5_000)}
    assert answers == {Answer.ALLOW}
    assert max(len(kept) for kept in vars(compiled).values() if isinstance(kept, dict)) <= 4_096
