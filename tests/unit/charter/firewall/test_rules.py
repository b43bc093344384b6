"""Rules cover what they say, are found by what they contain, and stay bounded."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.charter.firewall import FastRule, Rules, Term, canonicalise, compile_rule
from bailiwick.errors import BadInput
from tests.unit.charter.firewall.calls import a_call


def _covers(*terms: Term, closed: bool = False, tool: str = "tool", **arguments: Any) -> bool:
    rule = FastRule(id="r", action="block", tool=tool, terms=terms, closed=closed)
    call = canonicalise(a_call("tool", **arguments))
    covered = compile_rule(rule).covers(call)
    assert bool(Rules([rule]).match(call, 0)) == covered, "the index and the rule disagree"
    return covered


def test_tokens_are_found_in_order_whatever_their_spelling() -> None:
    drop = Term(kind="tokens", argument="sql", values=("drop", "table"))
    assert _covers(drop, sql="x; DrOp/**/%54ABLE users")
    assert not _covers(drop, sql="table to drop")


def test_hosts_are_those_a_request_would_go_to() -> None:
    ours = Term(kind="hosts", argument="url", values=("a.example", ".b.example"))
    assert _covers(ours, url="https://A.example./x")
    assert _covers(ours, url="https://deep.b.example/x")
    for other in (
        "https://a.example@evil.example/",
        "https://a.example.evil.example/",
        "https://evil.example\\@a.example/",
        "https://xb.example/",
    ):
        assert not _covers(ours, url=other), other


def test_look_alike_host_is_not_the_host_it_looks_like() -> None:
    assert not _covers(Term(kind="hosts", argument="to", values=("corp.example",)), to="ada@cоrp.example")
    assert not _covers(Term(kind="hosts", argument="url", values=("corp.example",)), url="https://cоrp.example/")


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/", "http://127.1:80/"])
def test_numbers_in_any_base_are_one_address(url: str) -> None:
    assert _covers(Term(kind="hosts", argument="url", values=("127.0.0.1",)), url=url)


def test_paths_are_compared_after_they_are_resolved() -> None:
    work = Term(kind="under", argument="path", values=("/lab",))
    assert _covers(work, path="/lab/./a/../b")
    for other in ("/lab/../etc/passwd", "/lab/%2e%2e/etc", "/labels/a", "/lab\\..\\..\\etc"):
        assert not _covers(work, path=other), other


def test_element_of_a_list_that_does_not_fit_keeps_the_rule_from_covering() -> None:
    assert not _covers(Term(kind="hosts", argument="to", values=("corp.example",)), to=["a@corp.example", "b@evil.example"])
    assert not _covers(Term(kind="between", argument="n", low=0, high=9), n=[1, 10])


def test_closed_rule_covers_no_call_with_an_argument_it_does_not_know() -> None:
    small = Term(kind="between", argument="n", low=0, high=9)
    assert _covers(small, closed=True, n=3)
    assert not _covers(small, closed=True, n=3, bcc="x")


def test_rule_may_refuse_labelled_data() -> None:
    clean = FastRule(id="r", action="allow", tool="*", terms=(Term(kind="labels", values=("web",)),))
    call = a_call("tool", x="1")
    assert compile_rule(clean).covers(canonicalise(call))
    assert not compile_rule(clean).covers(canonicalise(call._replace(labels={"x": frozenset({"web"})})))


def test_unbounded_rules_are_not_loaded() -> None:
    with pytest.raises(BadInput, match="not bounded"):
        compile_rule(FastRule(id="r", action="block", tool="t", terms=(Term(kind="tokens", values=("x",) * 2_000),)))
    rules = Rules(FastRule(id=f"r{n}", action="block", tool="t") for n in range(256))
    with pytest.raises(BadInput, match="names no token"):
        rules.add(FastRule(id="one more", action="block", tool="t"))


def test_rule_that_is_replaced_or_removed_is_found_no_more() -> None:
    rules = Rules([FastRule(id="r", action="block", tool="t", terms=(Term(kind="tokens", values=("x",)),))])
    call = canonicalise(a_call("t", a="x"))
    version = rules.version
    rules.add(FastRule(id="r", action="block", tool="t", terms=(Term(kind="tokens", values=("y",)),)))
    assert rules.match(call, 0) == []
    assert rules.version > version
    assert rules.remove("r")
    assert not rules.remove("r")


def test_expired_rule_decides_nothing() -> None:
    rules = Rules([FastRule(id="r", action="block", tool="t", expires_ns=10)])
    assert rules.match(canonicalise(a_call("t")), 9)
    assert not rules.match(canonicalise(a_call("t")), 10)
