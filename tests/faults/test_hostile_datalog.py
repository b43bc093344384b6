"""Blocks with Datalog of other people's: checks are kept, bombs never run, and nothing that is printed passes for a grant."""

from __future__ import annotations

from datetime import timedelta

import biscuit_auth
import msgspec
import pytest

from bailiwick.errors import NotGranted, Unavailable
from bailiwick.grants import verifier as verifying
from tests.granted import CLERK, Site, call, with_block


def test_facts_that_look_like_a_grant_are_none() -> None:
    """The library prints texts without escapes; nothing here goes by what it prints."""
    site = Site()
    forged = msgspec.msgpack.encode(msgspec.structs.replace(site.book.token(CLERK).grant, tools=("*",)))
    for text in (f'q"); bailiwick(hex:00{forged.hex()}); x("', "q\nbailiwick(hex:00);"):
        token = with_block(site.book.token(CLERK), "x({t}); bailiwick_({t})", t=text)
        assert site.verifier.grant_of(token.data).tools == ("write_file",)
    for terms in ("1", '"x"', "hex:00", "hex:ff00", "", "hex:00, hex:00"):
        try:
            token = with_block(site.book.token(CLERK), f"bailiwick({terms})")
        except biscuit_auth.DataLogError:
            continue
        with pytest.raises(NotGranted):
            site.verifier.grant_of(token.data)


HOLDS = [
    'check if tool($t), ["write_file", "read_file"].contains($t)',
    "check if time($t), $t < 2100-01-01T00:00:00Z",
    'check if argument("path", $p), $p.starts_with("/data/")',
    'check if agent($a), epoch($e), $e == 3 && $a.starts_with("agt_")',
    'check if audience("fleet"); check if host("here"); check if principal("ada@analytical")',
    'check if effect("read") or effect("idempotent")',
    'good("write_file"); check if tool($t), good($t)',
    'reject if tool("send_mail")',
]
FAILS = [
    'check if tool("read_file")',
    "check if time($t), $t < 1999-01-01T00:00:00Z",
    'check if argument("path", $p), $p.starts_with("/tmp/")',
    'check if argument("path", $p), $p == 7',
    "check if epoch(4)",
    'check if audience("elsewhere")',
    'check if verifier("another")',
    'check if verifier("bailiwick"), false',
    'reject if argument($n, $v), $v == "/data/notes"',
    "check if 9223372036854775807 + 1 == 0",
    'check if argument("path", $p), $p + 1 == 2',
]


@pytest.mark.parametrize("datalog", HOLDS)
def test_checks_that_others_added_and_that_hold_change_nothing(datalog: str) -> None:
    site = Site()
    token = with_block(site.book.token(CLERK), datalog)
    assert site.verifier.check(site.shown(call(), token), call()).agent == CLERK


@pytest.mark.parametrize("datalog", FAILS)
def test_checks_that_others_added_and_that_do_not_hold_refuse(datalog: str) -> None:
    site = Site()
    token = with_block(site.book.token(CLERK), datalog)
    with pytest.raises(NotGranted):
        site.verifier.check(site.shown(call(), token), call())


@pytest.mark.parametrize("value", [1.5, None, ["a"], {"a": 1}, 2**63])
def test_a_check_about_an_argument_that_it_cannot_see_does_not_pass(value: object) -> None:
    site = Site()
    token = with_block(site.book.token(CLERK), 'reject if argument("mode", $m), $m == 1')
    asked = call(path="/data/notes", mode=value)
    with pytest.raises(NotGranted, match="cannot see"):
        site.verifier.check(site.shown(asked, token), asked)


BOMBS = {
    "side by side": "; ".join(f"f({n})" for n in range(60)) + "; check if f($a), f($b), f($c), f($d), f($e), $a + $b == -1",
    "side by side, and then nothing": "; ".join(f"f({n})" for n in range(60)) + "; check if f($a), f($b), f($c), f($d), nothing($e)",
    "arguments side by side": "check if " + ", ".join(f"argument($n{n}, $v{n})" for n in range(9)),
    "rules": "f(0); g($x) <- f($x); check if g($x)",
    "endless": "f(0); f($y) <- f($y), f($x); check if f(1)",
    "lists in lists": "check if [1, 2, 3].any($p -> [1, 2, 3].any($q -> $p == $q + 9))",
    "regular expression": r'check if tool($t), $t.matches("\\p{L}{900}")',
    "many checks": "; ".join(f"check if {n} == {n}" for n in range(65)),
    "many facts": "; ".join(f"f({n})" for n in range(257)),
    "long": "check if " + " || ".join(["1 == 2"] * 400),
    "foreign function": "check if tool($t), $t.extern::boom()",
    "trusting": "check if tool($t) trusting previous",
    "nested and": "check if " + "true && (" * 30 + "true" + ")" * 30,
}


@pytest.mark.parametrize("name", BOMBS)
def test_datalog_that_is_too_much_work_is_refused_before_it_is_run(name: str) -> None:
    site = Site()
    try:
        token = with_block(site.book.token(CLERK), BOMBS[name])
    except (biscuit_auth.DataLogError, biscuit_auth.BiscuitBlockError):
        pytest.skip("the library does not make it")
    asked = call(path="/data/notes", **{f"a{number}": number for number in range(20)})
    with pytest.raises((NotGranted, Unavailable)):
        site.verifier.check(site.shown(asked, token), asked)


def test_a_limit_of_the_library_is_no_refusal_and_passes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing about the token, and asked again, with time enough, it is good."""
    site = Site()
    token = with_block(site.book.token(CLERK), "check if time($t), $t > 1970-01-01T00:00:00Z")
    monkeypatch.setattr(verifying, "DATALOG_TIME", timedelta(0))
    with pytest.raises(Unavailable):
        site.verifier.check(site.shown(call(), token), call())
    monkeypatch.undo()
    assert site.verifier.check(site.shown(call(), token), call()).agent == CLERK
