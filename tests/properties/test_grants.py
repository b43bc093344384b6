"""Whatever is granted, handed on, narrowed, moved, replayed and added to tokens: nobody gets more than what it came from.

``BAILIWICK_SOAK=100000`` makes as many cases as that.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bailiwick.effects import Call, EffectClass, Revocation
from bailiwick.errors import NotGranted, Refused
from bailiwick.grants import Grant, GrantBook, Limit, Revocations, Verifier, attenuate, is_within, mint_token, narrow, present
from bailiwick.grants.patterns import is_at, is_host_narrower, is_inside, is_narrower, permission, restriction
from bailiwick.ids import AgentId
from tests.granted import ADA, AGENTS, MAIN, ROOT, SECRET, Hands, call, with_grant

CASES = int(os.environ.get("BAILIWICK_SOAK", "0"))
soak = settings(max_examples=CASES or 150, deadline=None, suppress_health_check=list(HealthCheck))
slow_soak = settings(soak, max_examples=(CASES or 600) // 10)

names = st.text("ab_а", min_size=1, max_size=4)  # The last one is Cyrillic.
patterns = st.text("ab_*?а", min_size=1, max_size=4)
folders = st.sampled_from(["/", "/a", "/a/b", "/ab", "a", "a/b"])
paths = (
    st.text("ab/.", max_size=6)
    | folders
    | st.sampled_from(["/a/../b", "/a/./b", "/a//b", "/a/%2e%2e/b", "/a/．．/b", "~/a", "/a\\b", "/a/b/"])
)
hosts = st.sampled_from(["a.org", "*.a.org", "b.a.org", "*.b.a.org", "a.org:8443", "*.a.org:8443", "xa.org"])
urls = st.builds(
    "{}://{}{}".format,
    st.sampled_from(["https", "HTTP", "file", "ws"]),
    st.sampled_from(
        ["a.org", "A.ORG", "b.a.org", "c.b.a.org", "xa.org", "a.org.", "u@a.org", "a.org:8443", "a.org:443", "b.a.org:8443", "a.org\\@x"]
    ),
    st.sampled_from(["", "/", "/@x", "?a=b", "#a", " "]),
)
scalars = st.sampled_from([0, 1, 2, True, False, 1.0, 2.5, "1", "a", None])
values = scalars | st.just(float("nan")) | paths | urls | st.lists(scalars | paths | urls, max_size=2) | st.just({"a": 1})
bounds = st.none() | st.sampled_from([-1, 0, 1, 1.5, 2])
limits = st.builds(
    Limit,
    tool=patterns,
    argument=st.sampled_from(["p", "q"]),
    one_of=st.none() | st.lists(scalars | folders, max_size=3).map(tuple),
    under=st.none() | st.lists(folders, max_size=2).map(tuple),
    at_least=bounds,
    at_most=bounds,
    hosts=st.none() | st.lists(hosts, max_size=2).map(tuple),
)
few_limits = st.lists(limits, max_size=2).map(tuple)
classes = st.none() | st.lists(st.sampled_from(EffectClass), max_size=3, unique=True).map(tuple)
changes = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.lists(patterns, max_size=3).map(tuple),
        "effects": classes,
        "arguments": few_limits,
        "resources": st.lists(patterns, max_size=2).map(tuple),
        "expires_ns": st.sampled_from([0, 1, 2 * 10**18]),
        "audience": st.none() | st.sampled_from([(), ("here",), ("here", "there")]),
        "depth": st.none() | st.integers(0, 3),
    },
)
calls = st.builds(
    lambda tool, effect, given, agent: call(agent, tool, effect, **given),
    names,
    st.sampled_from(EffectClass),
    st.dictionaries(st.sampled_from(["p", "q"]), values, max_size=2),
    st.sampled_from(AGENTS[:3]),
)
grants = st.builds(lambda given: Grant(**{"id": "grt_x", "agent": MAIN, "principal": ADA, "tools": ("*",), "depth": None} | given), changes)


def covers(grant: Grant, asked: Call, now_ns: int = 2) -> bool:
    """Whatever the agent: who holds what is looked at elsewhere."""
    return not grant.covers(asked._replace(agent=grant.agent), now_ns)


@soak
@given(patterns, patterns, names)
def test_a_narrower_pattern_covers_nothing_more(inner: str, outer: str, name: str) -> None:
    if is_narrower(inner, outer) and permission(inner).fullmatch(name):
        assert permission(outer).fullmatch(name)
    if is_narrower(inner, outer, restricts=True) and (permission(inner).fullmatch(name) or restriction(inner).fullmatch(name)):
        assert restriction(outer).fullmatch(name)


@soak
@given(hosts, hosts, urls)
def test_a_narrower_host_leads_nowhere_else(inner: str, outer: str, url: str) -> None:
    if is_host_narrower(inner, outer) and is_at(url, inner):
        assert is_at(url, outer)


@soak
@given(paths, folders)
def test_what_is_in_a_folder_has_its_name_in_front_and_nothing_that_leads_out(path: str, folder: str) -> None:
    if is_inside(path, folder):
        assert path == folder or path.startswith(folder.rstrip("/") + "/")
        assert os.path.normpath(path) == path.rstrip("/") or path == "/"


@soak
@given(limits, limits, values)
def test_a_limit_within_another_lets_nothing_else_pass(inner: Limit, outer: Limit, value: Any) -> None:
    given = {inner.argument: value, outer.argument: value}
    if inner.is_within(outer) and not inner.refusal(given):
        assert not outer.refusal(given)


@soak
@given(grants, grants, calls, st.sampled_from([0, 1, 2, 2 * 10**18]))
def test_a_grant_within_another_covers_nothing_more(inner: Grant, outer: Grant, asked: Call, now_ns: int) -> None:
    if is_within(inner, outer):
        assert covers(outer, asked, now_ns) or not covers(inner, asked, now_ns)
        assert all(outer.holds(resource) for resource in ("a", "ab", "a_") if inner.holds(resource))


@soak
@given(grants, st.lists(st.tuples(changes, st.sampled_from(AGENTS[:3])), max_size=4), calls)
def test_no_sequence_of_narrowing_covers_more_than_any_grant_on_its_way(
    grant: Grant, steps: list[tuple[dict[str, Any], AgentId]], asked: Call
) -> None:
    chain = [grant]
    for narrowing, agent in steps:
        try:
            chain.append(narrow(chain[-1], agent=agent, **narrowing))
        except Refused:
            continue
    for earlier, later in pairwise(chain):
        assert is_within(later, earlier)
        assert covers(earlier, asked) or not covers(later, asked)


actions = st.one_of(
    st.tuples(st.just("spawn"), st.integers(0, 5), changes),
    st.tuples(st.just("again"), st.integers(0, 5), changes),
    st.tuples(st.just("migrate"), st.integers(0, 5), st.just({})),
    st.tuples(st.just("revoke"), st.integers(0, 5), st.just({})),
    st.tuples(st.just("close"), st.integers(0, 5), st.just({})),
)


@slow_soak
@given(changes, st.lists(actions, max_size=8), st.lists(calls, min_size=1, max_size=3))
def test_no_history_of_a_book_widens_and_tokens_agree_with_it(
    root: dict[str, Any], history: list[tuple[str, int, dict[str, Any]]], asked: list[Call]
) -> None:
    """Spawned, spawned again as a replay does, migrated, revoked, ended: what an agent may do, those before it in its chain might have, and
    its token says the same."""
    clock, revocations = Hands(), Revocations()
    book = GrantBook(revocations, clock, root=ROOT, secret=SECRET)
    verifier = Verifier([ROOT.public], revocations, clock, ["here"], incarnation=book.incarnation)
    book.open(Grant(**{"id": "grt_main", "agent": MAIN, "principal": ADA, "tools": ("*",), "depth": None} | root))
    agents, parents, revoked, closed = [MAIN], {}, set[AgentId](), set[AgentId]()
    for verb, number, narrowing in history:
        agent = agents[number % len(agents)]
        try:
            if verb == "spawn":
                child = AGENTS[len(agents)]
                book.derive(agent, child, **narrowing)
                agents.append(child)
                parents[child] = agent
            elif verb == "again" and agent in parents:
                book.derive(parents[agent], agent, **narrowing)
            elif verb == "migrate":
                book.renew(agent, book[agent].epoch + 1)
            elif verb == "revoke":
                book.revoke(Revocation(agent=agent))
                revoked.add(agent)
            elif verb == "close" and agent != MAIN:
                book.close(agent)
                closed.add(agent)
        except Refused:
            continue
    for agent in agents:
        line = [agent]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        for one in asked:
            allowed = _says(book, one._replace(agent=agent))
            assert not allowed or not revoked & set(line)
            assert not allowed or all(covers(book[above], one, clock.now_ns()) for above in line if above not in closed)
            if not closed & set(line):
                assert _says_by_token(book, verifier, clock, one._replace(agent=agent)) == allowed


@slow_soak
@given(grants, changes, calls)
def test_no_added_block_covers_more_than_the_token_did(grant: Grant, added: dict[str, Any], asked: Call) -> None:
    """Whoever adds it, and whatever it says."""
    clock, revocations = Hands(), Revocations()
    key = SECRET.agent_key(MAIN, 0)
    token = mint_token(ROOT, msgspec.structs.replace(grant, key=key.public))
    book = GrantBook(revocations, clock, root=ROOT, secret=SECRET)
    book.open(token.grant)
    verifier = Verifier([ROOT.public], revocations, clock, ["here"], incarnation=book.incarnation)
    said = msgspec.structs.replace(token.grant, **added)
    try:
        effective = verifier.grant_of(with_grant(token, said).data)
    except NotGranted:
        assert not is_within(said, token.grant) or said.audience is not None
    else:
        assert effective == said
        assert covers(token.grant, asked) or not covers(effective, asked)
        assert attenuate(token, said).grant == said


def _says(book: GrantBook, asked: Call) -> bool:
    try:
        return bool(book.check(asked).id)
    except NotGranted:
        return False


_shown = 0


def _says_by_token(book: GrantBook, verifier: Verifier, clock: Hands, asked: Call) -> bool:
    global _shown
    _shown += 1
    try:
        key = SECRET.agent_key(asked.agent, book[asked.agent].epoch)
        shown = present(book.token(asked.agent), key, asked, host="here", nonce=_shown.to_bytes(16, "big"), at_ns=clock.now_ns())
        return bool(verifier.check(shown, asked).id)
    except NotGranted as error:
        # Where a token is good for is for tokens alone: in the process there is nowhere else.
        return error.facts["why"] == "it is not for here" and _says(book, asked)
