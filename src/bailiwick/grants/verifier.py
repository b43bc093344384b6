"""Whether a token that is shown here is genuine, its holder's, not revoked, and covers what it is shown for.

What is whose work: signatures are the library's and ours (blocks; holders). What a grant covers is decided by `Grant.covers`, in Python,
exactly. Checks in Datalog that others added are run by the library over these facts, and must all hold besides:

    verifier("bailiwick")  host(h)  audience(a)  tool(t)  effect(e)  agent(a)  epoch(n)  principal(p)  time(t)  argument(name, value)

with texts, whole numbers, truth values and bytes as values, and `audience` once for the host and for each fleet that it is in.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from bailiwick.clock import Clock
from bailiwick.effects import Call
from bailiwick.errors import NotGranted, Unavailable
from bailiwick.grants.grant import Coverage, Grant
from bailiwick.grants.keys import import_biscuit, is_signed
from bailiwick.grants.records import Presented
from bailiwick.grants.revocation import Revocations
from bailiwick.grants.tokens import NONCE_BYTES, Token, grants_in, shown
from bailiwick.grants.uses import Counted, Use, Uses
from bailiwick.ids import AgentId

MOST_MATCHES = 2_000
"""So many ways to match the predicates of all its checks a token may ask to be tried."""
DATALOG_TIME = timedelta(seconds=2)
"""Generous: what is to be done is bounded before it is begun. Biscuit's own limit, 1 ms by the wall clock, is passed by chance on a busy
machine, and then says that the token is not good."""
_FACTS, _ROUNDS = 2_048, 16
_INTEGERS = range(-(2**63), 2**63)


class Incarnation(NamedTuple):
    """Who an agent is now."""

    epoch: int
    key: bytes
    """Its public key."""


class Standing:
    """A token that was found genuine: what it grants, and by what."""

    __slots__ = ("asked", "checks", "counted", "coverage", "facts", "grant", "holders", "names", "parsed", "version")

    def __init__(self, token: Token, parsed: Any) -> None:
        """Raises `NotGranted` where its blocks do not fit each other."""
        contents, grants = token.contents, grants_in(token)
        blocks = zip((block for block in contents.blocks if block.grants), grants, strict=True)
        self.grant = grants[-1]
        self.coverage = Coverage(self.grant)
        once = dict.fromkeys((each.agent, Incarnation(each.epoch, each.key)) for each in grants)
        self.holders: list[tuple[AgentId, Incarnation]] = list(once)
        """Each agent in whose hands it was, the last one's last."""
        self.names = (*dict.fromkeys(name for each in grants for name in (each.id, each.agent)), *token.revocation_ids)
        """By any of these it is revoked."""
        self.counted: Counted = tuple((block.signature.hex(), grant.uses) for block, grant in blocks if grant.uses is not None)
        self.checks = tuple(query for block in contents.blocks for query in block.queries)
        """The predicates of each query in Datalog; empty: there is nothing to run."""
        self.facts = contents.facts
        self.parsed = parsed
        self.version = 0
        """Of the revocations, when it was last looked at."""
        self.asked = False
        """Whether anybody asked for it since it was last to be forgotten."""


class Verifier:
    """Tells at one host what the tokens that are shown there are good for. For many threads."""

    def __init__(
        self,
        root_public_keys: Sequence[bytes],
        revocations: Revocations,
        clock: Clock,
        audience: Sequence[str],
        *,
        incarnation: Callable[[AgentId], Incarnation | None],
        uses: Uses | None = None,
        window: timedelta = timedelta(seconds=30),
        remembered: int = 4_096,
        nonces: int = 100_000,
    ) -> None:
        """``root_public_keys``: of the principals whose grants count here. ``audience``: the name of this host, then of the fleets it is
        in. ``incarnation`` tells who an agent is now; None where nobody knows it: then it is refused. ``window``: how far the clock of
        whoever shows a token may be off, and how long it is remembered that it was shown."""
        self.revocations = revocations
        self.uses = uses or Uses()
        self._roots = tuple(root_public_keys)
        self._clock = clock
        self._host = audience[0]
        self._audience = frozenset(audience)
        self._incarnation = incarnation
        self._known: OrderedDict[str, Standing] = OrderedDict()
        self._remembered = remembered
        self._lock = threading.Lock()
        self._nonces = _Nonces(clock.now_ns(), round(window.total_seconds() * 1e9), nonces)

    def grant_of(self, token: bytes | Token) -> Grant:
        """What a token grants: of a genuine one that is for here and not revoked, and whose holders are who they were. It is checked once,
        and then known by its SHA-256. Raises `NotGranted`, `Revoked`."""
        return self.standing_of(token).grant

    def standing_of(self, token: bytes | Token) -> Standing:
        """As `grant_of`, with what else is known of it."""
        token = token if isinstance(token, Token) else Token(token)
        standing = self._known.get(token.digest) or self._learn(Token(token.data))
        standing.asked = True
        revocations = self.revocations
        version = revocations.version  # Before the names are read: what comes in between is seen the next time.
        if standing.version != version:
            revocations.refuse(standing.names, grant=standing.grant.id)
            standing.version = version
        if revocations.leased:
            revocations.refuse_unheard()
        incarnation = self._incarnation
        for agent, then in standing.holders:
            if incarnation(agent) is not then:
                self._compare(standing)
                break
        return standing

    def _compare(self, standing: Standing) -> None:
        """Raises `NotGranted` unless each holder is who it was; then the same objects are found the next time, which is faster."""
        for place, (agent, then) in enumerate(standing.holders):
            now = self._incarnation(agent)
            if now is None or now != then:
                raise _not_who(standing.grant, agent, then.epoch, now)
            standing.holders[place] = agent, now

    def check(self, presented: Presented, call: Call) -> Grant:
        """The grant, if the holder of ``presented`` may do ``call`` here and now; once. Uses are not counted, `use` does both.

        Raises `NotGranted` or `Revoked` with facts ``grant``, ``tool``, ``why``; `Unavailable` where it cannot be decided now.
        """
        return self._check(presented, call).grant

    def use(self, presented: Presented, call: Call) -> Use:
        """As `check`; and one use is taken, where they are counted, to be settled or released."""
        standing = self._check(presented, call)
        return self.uses.take(standing.counted, tool=call.tool)

    def _check(self, presented: Presented, call: Call) -> Standing:
        standing = self.standing_of(presented.token)
        grant, now_ns = standing.grant, self._clock.now_ns()
        if why := standing.coverage.refusal(call, now_ns):
            raise _refused(grant, call, why)
        if len(presented.nonce) != NONCE_BYTES:
            raise _refused(grant, call, "it was shown without a proper nonce")
        message = shown(presented.token, call, self._host, presented.nonce, presented.at_ns)
        if not is_signed(grant.key, presented.signature, message):
            raise _refused(grant, call, "whoever shows it is not who holds it, or shows it for something else")
        if standing.checks:
            self._run_checks(standing, call, now_ns)
        if why := self._nonces.refusal(grant.key + presented.nonce, presented.at_ns, now_ns):
            raise _refused(grant, call, why)
        # What was revoked while all that was looked at counts, too.
        if standing.version != self.revocations.version:
            self.revocations.refuse(standing.names, grant=grant.id, tool=call.tool)
        return standing

    def _learn(self, token: Token) -> Standing:
        _ = token.contents  # First: it bounds what the library is given.
        standing = Standing(token, self._genuine(token))
        grant = standing.grant
        if grant.audience is not None and self._audience.isdisjoint(grant.audience):
            raise NotGranted(f"this token is for {', '.join(grant.audience) or 'nowhere'}", grant=grant.id, why="it is not for here")
        if standing.counted and grant.audience != (self._host,):
            raise NotGranted("the uses of this token are not counted here", grant=grant.id, why="its uses are not counted here")
        with self._lock:
            self._known[token.digest] = standing
            while len(self._known) > self._remembered:
                # The oldest that nobody asked for lately: what is in use is not found by taking a lock each time.
                digest, oldest = self._known.popitem(last=False)
                if oldest.asked:
                    oldest.asked = False
                    self._known[digest] = oldest
        return standing

    def _genuine(self, token: Token) -> Any:
        refusal = NotGranted("no principal's grants count here", why="no principal is known")
        for root in self._roots:
            try:
                return token.opened(root)
            except NotGranted as error:
                refusal = error
        raise refusal

    def _run_checks(self, standing: Standing, call: Call, now_ns: int) -> None:
        """Raises `NotGranted` where a check does not hold, `Unavailable` where the library gave up before it had an answer."""
        biscuit = import_biscuit()
        facts = [*self._facts(standing, call, now_ns)]
        # One at least of each: whether there are any is found out after those in front of it were gone through.
        counts = standing.facts + Counter(name for name, _ in facts)
        if sum(math.prod(max(1, counts[name]) for name in query) for query in standing.checks) > MOST_MATCHES:
            raise _refused(standing.grant, call, "its checks in Datalog are more work than is done here")
        # A new one each time: one that ran into a limit answers nothing any more.
        builder = biscuit.AuthorizerBuilder("allow if true")
        for name, terms in facts:
            spelt = ", ".join(f"{{t{number}}}" for number in range(len(terms)))
            builder.add_fact(biscuit.Fact(f"{name}({spelt})", {f"t{number}": term for number, term in enumerate(terms)}))
        limits = builder.limits()
        limits.max_facts, limits.max_iterations, limits.max_time = _FACTS, _ROUNDS, DATALOG_TIME
        builder.set_limits(limits)
        try:
            builder.build(standing.parsed).authorize()
        except biscuit.AuthorizationError as error:
            if "limit" in str(error).lower().partition("check")[0]:
                message = "the checks in a token took too long to decide; try again"
                raise Unavailable(message, grant=standing.grant.id, retry_after_s=1) from error
            raise _refused(standing.grant, call, f"a check in it does not hold: {error}") from error

    def _facts(self, standing: Standing, call: Call, now_ns: int) -> Iterable[tuple[str, tuple[Any, ...]]]:
        grant = standing.grant
        yield "verifier", ("bailiwick",)
        yield "host", (self._host,)
        yield from (("audience", (name,)) for name in sorted(self._audience))
        yield "tool", (call.tool,)
        yield "effect", (call.effect.value,)
        yield "agent", (call.agent,)
        yield "epoch", (grant.epoch,)
        yield "principal", (call.principal,)
        yield "time", (datetime.fromtimestamp(now_ns // 1_000_000_000, UTC),)
        asked = any("argument" in query for query in standing.checks)
        for name, value in call.arguments.items() if asked else ():
            if not isinstance(value, bool | str | bytes) and not (isinstance(value, int) and value in _INTEGERS):
                # A check such as `reject if argument("to", …)` would hold of what it cannot see.
                raise _refused(grant, call, f"a check in it is about arguments, and cannot see `{name}`, which is {type(value).__name__}")
            yield "argument", (name, value)


class _Nonces:
    """What was shown within the last while."""

    def __init__(self, began_ns: int, window_ns: int, most: int) -> None:
        self._began_ns = began_ns
        self._window_ns = window_ns
        self._most = most
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        """Until when each is remembered, in the order in which they came."""
        self._lock = threading.Lock()

    def refusal(self, nonce: bytes, at_ns: int, now_ns: int) -> str:
        """Why it does not count now; empty: it does, once. Raises `Unavailable` where no more can be remembered."""
        if abs(now_ns - at_ns) > self._window_ns:
            return "it was shown too long ago, or by a clock that is wrong"
        if at_ns < self._began_ns:
            return "it was signed before this host began to remember what it was shown; sign it anew"
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < now_ns:
                self._seen.popitem(last=False)
            if nonce in self._seen:
                return "it was shown before"
            if len(self._seen) >= self._most:
                raise Unavailable("more is shown here than can be told apart; try again", retry_after_s=self._window_ns / 1e9)
            # Twice: what a clock ahead of ours signed is in time for longer.
            self._seen[nonce] = now_ns + 2 * self._window_ns
        return ""


def _refused(grant: Grant, call: Call, why: str) -> NotGranted:
    return NotGranted(f"{call.tool} is not granted to {call.agent}: {why}", grant=grant.id, tool=call.tool, why=why)


def _not_who(grant: Grant, agent: AgentId, epoch: int, now: Incarnation | None) -> NotGranted:
    if now is None:
        why = f"{agent} is not known here, or has ended"
    elif now.epoch == epoch:
        why = f"it names another key than {agent} has"
    else:
        why = f"it is for {agent} in epoch {epoch}, and {'that is past' if epoch < now.epoch else 'that has not come'}: it is {now.epoch}"
    return NotGranted(f"this token does not count: {why}", grant=grant.id, why=why)
