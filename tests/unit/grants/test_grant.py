"""What a grant covers, and what may come from it."""

from __future__ import annotations

from typing import Any

import pytest

from bailiwick.effects import EffectClass
from bailiwick.errors import BadInput, NotGranted
from bailiwick.grants import Grant, Limit, is_within, narrow
from tests.granted import ADA, AGENTS, CLERK, MAIN, SCOUT, call, whole


def covers(limit: dict[str, Any], value: Any) -> bool:
    """Whether a call with ``value`` is covered where it is limited so."""
    grant = whole(arguments=(Limit(tool="*", argument="x", **limit),))
    return not grant.covers(call(MAIN, "do", x=value), 0)


@pytest.mark.parametrize(
    ("limit", "good", "bad"),
    [
        ({"one_of": ("1",)}, ["1"], [1, 1.0, True, b"1", "13", "１", ["1", "2"], [], {}, None]),
        ({"one_of": (1,)}, [1], [True, 1.0, "1", [True]]),
        ({"one_of": (True, None)}, [True, None], [1, 0, False, ""]),
        ({"under": ("1",)}, ["1", "1/a", "1/", ["1/a", "1"]], ["13", "/1", "1/../2", "./1", "", ["1", "2"], 1, b"1"]),
        (
            {"under": ("/a",)},
            ["/a", "/a/b/c"],
            [
                "/ab",
                "/a/../b",
                "/a/..",
                "/a//b",
                "//a",
                "/A",
                "a",
                "/a\0/b",
                "/a/\u2025/b",
                "/a/．．/b",
                "/a/b／..／",
                "/a/%2E%2e/b",
                "/a\\..\\b",
            ],
        ),
        ({"under": ("/",)}, ["/", "/etc"], ["etc", "/../x", "~/x"]),
        ({"at_most": 5}, [5, -1, 4.9], [5.1, True, "4", None, float("nan"), float("inf"), 2**70, [6]]),
        ({"at_least": 0, "at_most": 1}, [0, 1.0, [0, 1]], [-1, 2, [0, 2]]),
        (
            {"hosts": ("a.org", "*.b.org", "c.org:8443")},
            ["https://a.org", "http://A.org/x?y#z", "https://a.org:443/", "wss://x.b.org", "https://c.org:8443/"],
            [
                *("https://b.org", "https://a.org.evil.com", "https://a.org@evil.com", "https://evil.com/a.org", "ftp://a.org", "//a.org"),
                *("https://a.org:444", "https://a.org\\@evil.com", "https://a.org.", "https://а.org", "https://a.org /", "a.org", 7, ""),
                *("https://c.org", "javascript://a.org", "https://xb.org", "https://a.org\n.evil.com", "http://a.org:443"),
            ],
        ),
        ({"one_of": ()}, [], [1, "", None]),
        ({}, [1, "a", None], [[]]),
    ],
)
def test_a_limit_lets_pass_what_it_says_and_nothing_that_looks_like_it(limit: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not covers(limit, value)] == []
    assert [value for value in bad if covers(limit, value)] == []


def test_an_argument_that_is_limited_must_be_given() -> None:
    grant = whole(arguments=(Limit(tool="write_*", argument="path", under=("/data",)),))
    assert "must be given" in grant.covers(call(MAIN, "write_x", other=1), 0)
    assert not grant.covers(call(MAIN, "read_x"), 0)


def test_names_with_letters_that_look_latin_are_covered_only_where_they_are_spelt() -> None:
    assert whole(tools=("send_*",)).covers(call(MAIN, "send_mаil"), 0)
    assert not whole(tools=("send_mаil",)).covers(call(MAIN, "send_mаil"), 0)
    limited = whole(tools=("send_mаil",), arguments=(Limit(tool="send_*", argument="to", one_of=("ada",)),))
    assert limited.covers(call(MAIN, "send_mаil", to="eve"), 0)


def test_a_refusal_says_what_is_covered() -> None:
    grant = whole(tools=("read_*", "list"), effects=(EffectClass.READ,), expires_ns=9)
    assert grant.covers(call(MAIN, "send"), 0) == "it does not cover 'send'; it covers read_*, list"
    assert "covers what is read" in grant.covers(call(MAIN, "list"), 0)
    assert grant.covers(call(MAIN, "list", EffectClass.READ), 8) == ""
    assert "expired" in grant.covers(call(MAIN, "list", EffectClass.READ), 9)
    assert SCOUT in grant.covers(call(SCOUT, "list", EffectClass.READ), 0)
    assert "eve" in grant.covers(call(MAIN, "list", EffectClass.READ)._replace(principal="eve"), 0)


@pytest.mark.parametrize(
    ("field", "parent", "child"),
    [
        ("tools", {"tools": ("a*",)}, {"tools": ("*a",)}),
        ("tools", {"tools": ("a?",)}, {"tools": ("a*",)}),
        ("resources", {"resources": ("secret:a",)}, {"resources": ("secret:*",)}),
        ("effects", {"effects": (EffectClass.READ,)}, {"effects": None}),
        ("effects", {"effects": (EffectClass.READ,)}, {"effects": (EffectClass.PURE,)}),
        ("audience", {"audience": ("here",)}, {"audience": ("here", "there")}),
        ("expires_ns", {"expires_ns": 5}, {"expires_ns": 6}),
        ("expires_ns", {"expires_ns": 5}, {"expires_ns": 0}),
        ("uses", {"uses": 5}, {"uses": 6}),
        ("depth", {"depth": 1}, {"depth": 2}),
        ("depth", {"depth": 1}, {"depth": 1, "agent": SCOUT}),
        ("depth", {"depth": 0}, {"agent": SCOUT}),
        ("principal", {}, {"principal": "eve"}),
        ("epoch", {}, {"epoch": 1}),
        ("key", {}, {"key": b"k" * 32}),
        ("budget", {"budget": MAIN}, {"budget": CLERK}),
    ],
)
def test_what_would_be_wider_is_refused_by_the_name_of_the_field(field: str, parent: dict[str, Any], child: dict[str, Any]) -> None:
    with pytest.raises(NotGranted, match=f"`{field}`") as refused:
        narrow(whole(**parent), **child)
    assert refused.value.facts["grant"] == "grt_main"


def test_limits_add_up_and_cannot_be_dropped() -> None:
    parent = whole(arguments=(Limit(tool="w*", argument="p", under=("/a",)),))
    child = narrow(parent, arguments=(Limit(tool="*", argument="p", under=("/a/b",)),))
    assert len(child.arguments) == 2
    assert is_within(whole(arguments=child.arguments[1:]), parent)
    assert not is_within(whole(arguments=()), parent)
    assert not is_within(whole(arguments=(Limit(tool="w?", argument="p", under=("/a",)),)), parent)
    assert is_within(whole(tools=("read",)), parent)
    assert is_within(whole(arguments=(Limit(tool="w*", argument="p", one_of=("/a/x",)),)), parent)
    assert not is_within(whole(arguments=(Limit(tool="w*", argument="p", one_of=("/b",)),)), parent)


def test_handing_on_takes_one_from_the_depth() -> None:
    assert narrow(whole(depth=2), agent=SCOUT).depth == 1
    assert narrow(whole(depth=2), tools=("a",)).depth == 2
    assert narrow(whole(), agent=AGENTS[5]).depth is None


NO_GRANTS: list[dict[str, Any]] = [
    *({"tools": (name,)} for name in ("a[bc]", "", "a\n")),
    {"key": b"short"},
    {"epoch": -1},
    {"uses": -1},
    {"nonsense": 1},
]


@pytest.mark.parametrize("fields", NO_GRANTS)
def test_what_is_no_grant_is_bad_input(fields: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        narrow(whole(), **fields)


NO_LIMITS: list[dict[str, Any]] = [
    *({"under": (folder,)} for folder in ("../a", "")),
    *({"hosts": (host,)} for host in ("A.org", "*")),
    {"at_most": True},
    {"at_least": float("nan")},
    {"one_of": (1, float("nan"))},
]


@pytest.mark.parametrize("fields", NO_LIMITS)
def test_what_is_no_limit_is_no_limit(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no|bounds nothing"):
        Limit(tool="*", argument="x", **fields)


def test_a_grant_of_nothing_covers_nothing() -> None:
    assert Grant(id="grt_x", agent=MAIN, principal=ADA).covers(call(MAIN), 0)
