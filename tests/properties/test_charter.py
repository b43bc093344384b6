"""Charters, whatever rules they are made of: composition narrows, deny wins, order means nothing, memory changes nothing."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.charter import Answer, Approval, Charter, Rule, compile_charter
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.ids import AgentId, RunId

STRICT = {Answer.ALLOW: 0, Answer.ASK: 1, Answer.DENY: 2}
WORDS = ("eve", "bob", "x@evil.com", "", "h", "\u0435ve", "josé")
NUMBERS = (-1, 0, 1, 99, 100, 101, 99.5, 100.0, 0.25)

comparisons = st.builds(
    "context.arguments.usd {} {}".format, st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), st.sampled_from((0, 1, 100))
)
decimals = st.builds(
    'context.arguments.usd.{}(decimal("{}"))'.format,
    st.sampled_from(("lessThan", "greaterThanOrEqual")),
    st.sampled_from(("99.5", "0.25", "1.0")),
)
texts = st.builds(
    'context.arguments.to {} "{}"'.format, st.sampled_from(("==", "!=", "like")), st.sampled_from(("eve", "*@evil.com", "*e*", "josé", ""))
)
others = st.sampled_from(
    (
        "context.arguments has to",
        "context.arguments.flag",
        'context.labels.to.contains("web")',
        'context.tainted.contains("web")',
        '["eve", "bob"].contains(context.arguments.to)',
        "[0, 100].contains(context.arguments.usd)",
        'context.agent_class == "Buyer"',
        "context.arguments.usd + 1 > 100",
        'if context.arguments.to == "eve" then true else false',
    )
)
conditions = st.recursive(
    comparisons | decimals | texts | others,
    lambda inner: (
        st.builds("({}) && ({})".format, inner, inner) | st.builds("({}) || ({})".format, inner, inner) | st.builds("!({})".format, inner)
    ),
    max_leaves=4,
)
patterns = st.sampled_from(("*", "pay", "p*", "look", "send_?"))
effects = st.sampled_from((None, EffectClass.READ, EffectClass.IRREVERSIBLE))
rules = st.builds(Rule, tool=patterns, effect=effects, when=conditions | st.just(""))
approvals = st.builds(Approval, tool=patterns, effect=effects, when=conditions | st.just(""), ask=st.sampled_from(((), ("bob",))))
charters = st.builds(
    Charter,
    allow=st.lists(rules, max_size=3).map(tuple),
    deny=st.lists(rules, max_size=2).map(tuple),
    approvals=st.lists(approvals, max_size=2).map(tuple),
    discretion=st.sampled_from(((), ("look",), ("p*",))),
    cedar=st.sampled_from(
        ("", 'forbid(principal, action == Action::"plan", resource == Tool::"look");', "permit(principal, action, resource);")
    ),
)
arguments = st.fixed_dictionaries(
    {}, optional={"usd": st.sampled_from((*NUMBERS, "5", True)), "to": st.sampled_from((*WORDS, 5)), "flag": st.booleans()}
)
labels = st.sampled_from(({}, {"to": frozenset({"web"})}, {"note": frozenset({"mail", "web"})}))


def call(tool: str, effect: EffectClass, given_: dict[str, Any], from_: dict[str, frozenset[str]], kind: Kind, planning: bool) -> Call:
    return Call(kind, tool, effect, given_, AgentId("agt_1"), "Buyer", RunId("run_1"), "ann", 1, labels=from_, planning=planning)


calls = st.builds(
    call,
    st.sampled_from(("pay", "look", "send_x", "PAY", "p\u0430y")),
    st.sampled_from(EffectClass),
    arguments,
    labels,
    st.sampled_from((Kind.TOOL, Kind.TOOL, Kind.TOOL, Kind.ASK)),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(charters, min_size=1, max_size=3), calls)
def test_layers_are_never_wider_than_any_of_them(layers: list[Charter], made: Call) -> None:
    together = compile_charter(*layers).decide(made)
    alone = [compile_charter(layer).decide(made) for layer in layers]
    assert STRICT[together.answer] >= max(STRICT[one.answer] for one in alone)
    if together.answer is Answer.ASK:
        wanted = [approval for one in alone for approval in one.approvals]
        assert sorted(map(repr, together.approvals)) == sorted(map(repr, wanted))


@settings(deadline=None)
@given(charters, rules, calls)
def test_one_more_prohibition_allows_nothing_more(charter: Charter, rule: Rule, made: Call) -> None:
    before = compile_charter(charter).decide(made)
    after = compile_charter(msgspec.structs.replace(charter, deny=(*charter.deny, rule))).decide(made)
    assert STRICT[after.answer] >= STRICT[before.answer]


@settings(deadline=None)
@given(charters, calls, st.randoms(use_true_random=False))
def test_the_order_of_rules_means_nothing(charter: Charter, made: Call, chance: random.Random) -> None:
    shuffled = {name: tuple(chance.sample(found := getattr(charter, name), len(found))) for name in ("allow", "deny", "approvals")}
    one, other = (compile_charter(these).decide(made) for these in (charter, msgspec.structs.replace(charter, **shuffled)))
    assert one.answer is other.answer
    assert sorted(map(repr, one.approvals)) == sorted(map(repr, other.approvals))


@settings(deadline=None)
@given(charters, st.lists(calls, min_size=2, max_size=8))
def test_what_is_remembered_of_earlier_calls_changes_no_decision(charter: Charter, made: list[Call]) -> None:
    remembering = compile_charter(charter)
    for one in (*made, *made):
        assert remembering.decide(one) == compile_charter(charter).decide(one)
        key = remembering.key(one)
        assert key is not None
        assert all(remembering.decide(other) == remembering.decide(one) for other in made if remembering.key(other) == key)


@settings(deadline=None)
@given(charters, calls)
def test_a_charter_from_a_file_decides_as_the_one_in_python(charter: Charter, made: Call) -> None:
    read = msgspec.convert(msgspec.json.decode(msgspec.json.encode(charter)), Charter)
    assert (read, read.digest) == (charter, charter.digest)
    assert compile_charter(read).decide(made) == compile_charter(charter).decide(made)


denials = st.lists(st.builds(Rule, when=conditions), min_size=1, max_size=3).map(lambda rules: Charter(allow=(Rule(),), deny=tuple(rules)))


@settings(deadline=None, max_examples=300)
@given(charters | denials, calls)
def test_what_a_screen_spares_cedar_would_have_said_as_well(charter: Charter, made: Call) -> None:
    assert compile_charter(charter).decide(made) == compile_charter(charter, screened=False).decide(made)


letters = st.text("aAbpP*?\u0430\u0440\u200bé支", max_size=4)
LOOKS = {"a": "a\u0430\uff41A", "p": "p\u0440\uff50", "y": "y\u0443", "s": "s\u0455", "e": "e\u0435é", "o": "o\u043e\u03bf"}


@settings(deadline=None)
@given(st.lists(letters, max_size=5), letters, st.booleans())
def test_rules_are_found_by_how_they_begin_as_if_all_were_looked_at(spelled: list[str], name: str, outside: bool) -> None:
    rules = tuple(Rule(tool=pattern) for pattern in spelled)
    compiled = compile_charter(Charter(allow=rules, deny=rules))
    kind, effect = Kind.TOOL if outside else Kind.ASK, EffectClass.READ
    assert compiled.covering(name, effect, kind) == [entry for entry in compiled.entries if entry.covers(name, effect, outside=outside)]


@settings(deadline=None)
@given(st.sampled_from(("pay", "p*", "*ose", "s?y", "[ps]ay")), st.sampled_from(("pay", "say", "pose", "payee")), st.data())
def test_no_spelling_of_a_forbidden_name_is_allowed(pattern: str, name: str, data: st.DataObject) -> None:
    charter = compile_charter(Charter(allow=(Rule(),), deny=(Rule(tool=pattern),)))
    if charter.decide(call(name, EffectClass.READ, {}, {}, Kind.TOOL, planning=False)).answer is Answer.DENY:
        other = "".join(
            data.draw(st.sampled_from(LOOKS.get(letter, letter))) + data.draw(st.sampled_from(("", "\u200b"))) for letter in name
        )
        assert charter.decide(call(other, EffectClass.READ, {}, {}, Kind.TOOL, planning=False)).answer is Answer.DENY
