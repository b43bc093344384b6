"""Tokens between hosts, the book they are made from, and what is counted."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace

from bailiwick.effects import Secret
from bailiwick.errors import BadInput, NotFound, NotGranted, Refused
from bailiwick.grants import GrantBook, Revocations, Token, Use, Uses, Vault, attenuate, mint_token, narrow
from bailiwick.ids import AgentId
from tests.granted import AGENTS, CLERK, MAIN, ROOT, SCOUT, SECRET, THIEF, Hands, Site, call, whole

OLD = (
    "12b9020ace010a096261696c697769636b0a087665726966696572180322a2010a9f010880081299012a96010087a26964a86772745f6d61696ea561"
    "67656e74d9246167745f3031396230303030303030303030303030303030303030303030303030303030a36b6579c4205b1dbfba58d8bff0d0a83c55"
    "8aa2d7615fa08069d2ea04ca8d2bf2991e731dcea97072696e636970616cae61646140616e616c79746963616ca5746f6f6c7391a12aa97265736f75"
    "7263657391a12aa56465707468c032100a0e0a02081b12080881081203188008122408001220df18a16f91a6a3b41d1db9755c31a9a437c0774eeac7"
    "c78a25770a77414bd6791a4044f5ea814345fb395347ef87197be70d038858c0a08ce47bf98d4e7f9930c108b8ba4bf2911e3302aa2edbcf1864fb43"
    "d3df1a81ca282b916b2b3ff7c220310722220a20a395c6d86097dc7c48fe65d7c975dc2fa331059578e8a709ef02261619778296"
)
"""A token for everything, minted when this was written."""


def test_a_token_of_today_can_be_read_for_as_long_as_there_are_any() -> None:
    site = Site()
    site.book = GrantBook(site.revocations, site.clock, root=ROOT, secret=SECRET)
    site.book.open(whole())
    grant = site.opened().grant_of(bytes.fromhex(OLD))
    assert grant == whole(key=SECRET.agent_key(MAIN, 0).public)


def test_a_token_says_what_the_book_says() -> None:
    site = Site()
    token = site.book.token(CLERK)
    assert replace(token.grant, key=b"") == site.book[CLERK]
    assert site.book.token(CLERK) is token
    assert len(token.revocation_ids) == 3
    assert token.revocation_ids[:2] == site.book.token(SCOUT).revocation_ids
    assert repr(token) == f"<token {token.digest[:8]}…>"


def test_a_token_is_narrowed_offline_by_whoever_holds_it() -> None:
    site = Site()
    received = Token(site.book.token(CLERK).data)
    narrower = narrow(received.grant, expires_ns=10**19)
    made = attenuate(received, narrower, root_public_key=ROOT.public)
    assert site.verifier.grant_of(Token(made.data)) == narrower
    with pytest.raises(BadInput, match="public key"):
        attenuate(Token(site.book.token(CLERK).data), narrower)


def test_narrowing_a_token_refuses_what_is_wider_before_it_makes_anything() -> None:
    token = Site().book.token(CLERK)
    with pytest.raises(NotGranted, match="`tools`"):
        attenuate(token, replace(token.grant, tools=("*",)))


def test_a_grant_without_a_key_does_not_leave() -> None:
    with pytest.raises(BadInput, match="no key"):
        mint_token(ROOT, whole())
    book = GrantBook(Revocations(), Hands())
    book.open(whole())
    with pytest.raises(BadInput, match="root key"):
        book.token(MAIN)


def test_uses_are_counted_exactly_whoever_asks() -> None:
    site = Site(uses=50)
    done: list[AgentId] = []

    def race(agent: AgentId) -> None:
        for turn in range(100):
            try:
                use = site.book.use(call(agent))
            except NotGranted:
                continue
            if turn % 7 == 0:
                use.release()
                use.settle()
                continue
            use.settle()
            use.release()
            done.append(agent)

    threads = [threading.Thread(target=race, args=(agent,)) for agent in (CLERK, SCOUT, MAIN, CLERK)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 50
    assert site.book.uses.taken["grt_main"] == 50


def test_what_was_used_up_stays_so_after_a_restart() -> None:
    site = Site(uses=2)
    for _ in range(2):
        site.book.use(call()).settle()
    with pytest.raises(NotGranted, match="used up"):
        site.book.use(call())
    again = GrantBook(Revocations(), site.clock, uses=Uses(site.book.uses.taken))
    again.open(whole(uses=2))
    with pytest.raises(NotGranted, match="used up"):
        again.use(call(MAIN))


def test_a_counted_grant_is_counted_at_one_place() -> None:
    site = Site(uses=2, audience=("here",))
    with pytest.raises(NotGranted, match="counted here"):
        site.book.token(CLERK)
    plain = Site()
    grant = narrow(plain.book.token(CLERK).grant, uses=1, audience=("here", "there"))
    with pytest.raises(BadInput, match="one host"):
        attenuate(plain.book.token(CLERK), grant)
    token = attenuate(plain.book.token(CLERK), replace(grant, audience=("here",)))
    copy = attenuate(token, token.grant)
    assert isinstance(plain.verifier.use(plain.shown(call(), token), call()), Use)
    with pytest.raises(NotGranted, match="used up"):
        plain.verifier.use(plain.shown(call(), copy), call())
    elsewhere = attenuate(plain.book.token(CLERK), replace(grant, audience=("fleet",)))
    with pytest.raises(NotGranted, match="not counted here"):
        plain.verifier.grant_of(elsewhere)


def test_a_token_in_use_is_not_forgotten_and_a_forgotten_one_is_read_again() -> None:
    site = Site()
    verifier = site.opened(remembered=2)
    token = site.book.token(CLERK)
    tokens = [attenuate(token, token.grant) for _ in range(6)]
    first = verifier.standing_of(tokens[0])
    for token in tokens[1:]:
        verifier.standing_of(token)
        assert verifier.standing_of(tokens[0]).grant == first.grant
    assert len(verifier._known) == 2


def test_a_spawn_that_is_gone_through_again_gives_the_same_and_another_is_refused() -> None:
    site = Site()
    assert site.book.derive(SCOUT, CLERK, 3, tools=("write_file",)) == site.book[CLERK]
    with pytest.raises(NotGranted, match="holds another"):
        site.book.derive(SCOUT, CLERK, 3, tools=("read_x",))
    with pytest.raises(NotGranted, match="holds another"):
        site.book.derive(MAIN, CLERK, 3, tools=("write_file",))
    with pytest.raises(NotGranted, match="holds another"):
        site.book.open(whole(tools=("a",)))
    assert site.book.open(whole()) == whole()
    with pytest.raises(NotGranted, match="holds no grant"):
        site.book.derive(AGENTS[9], AGENTS[10])


def test_an_agent_that_ended_holds_nothing_and_leaves_no_trace_once_those_below_it_ended() -> None:
    site = Site()
    site.book.close(SCOUT)
    with pytest.raises(NotGranted):
        site.book.check(call(SCOUT))
    assert site.book.check(call(CLERK))
    assert [held.grant.agent for _, held in site.book.tree()] == [MAIN, SCOUT, CLERK, THIEF]
    for agent in (CLERK, CLERK, THIEF):
        site.book.close(agent)
    assert [(depth, held.grant.agent) for depth, held in site.book.tree()] == [(0, MAIN)]


def test_an_epoch_goes_up_only_and_another_is_refused() -> None:
    site = Site()
    assert site.book.check(call(), 3)
    for epoch in (2, 4):
        with pytest.raises(NotGranted, match="epoch"):
            site.book.check(call(), epoch)
    assert site.book.renew(CLERK, 5).epoch == 5
    assert site.book.renew(CLERK, 5).epoch == 5
    with pytest.raises(NotGranted, match="passed"):
        site.book.renew(CLERK, 4)


def test_an_expired_grant_covers_nothing_in_the_process_either() -> None:
    clock = Hands()
    site = Site(clock=clock, expires_ns=clock.at_ns + 1)
    assert site.book.check(call())
    clock.at_ns += 1
    with pytest.raises(NotGranted, match="expired"):
        site.book.check(call())


def test_secrets_go_to_tools_whose_holder_was_granted_them_and_to_nobody_else() -> None:
    vault = Vault()
    vault.put("mail", Secret("hunter2"))
    vault.bind("send_mail", "password", "mail")
    filled = vault.fill("send_mail", {"to": "ada"}, whole(resources=("secret:mail",)))
    assert filled["password"].reveal() == "hunter2"
    assert vault.fill("read_mail", {}, whole(resources=())) == {}
    for resources in ((), ("secret:other",), ("mail",)):
        with pytest.raises(NotGranted, match="secret:mail"):
            vault.fill("send_mail", {}, whole(resources=resources))
    with pytest.raises(BadInput, match="leave it out"):
        vault.fill("send_mail", {"password": "x"}, whole())
    with pytest.raises(NotFound):
        vault.bind("send_mail", "password", "unknown")
    assert "hunter2" not in repr(vault)


def test_names_of_secrets_cannot_be_tried() -> None:
    vault = Vault({"mail": Secret("hunter2")})
    said: list[str] = []
    for name in ("mail", "male"):
        with pytest.raises(Refused) as refused:
            vault.read(name, whole(resources=()))
        said.append(refused.value.message.replace(name, "NAME"))
    assert said[0] == said[1]
