"""The grants of one process: who holds which, where it came from, and whether it still counts.

Inside the process no token is made: an agent's grant is found by the agent's id, which the gateway knows. What leaves the process is
made from the same chain of grants, so that both agree on every call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from bailiwick.clock import Clock
from bailiwick.effects import Call, Revocation
from bailiwick.errors import BadInput, NotGranted
from bailiwick.grants.grant import Coverage, Grant, narrow
from bailiwick.grants.keys import HostSecret, RootKey
from bailiwick.grants.revocation import Revocations
from bailiwick.grants.tokens import Token, attenuate, mint_token
from bailiwick.grants.uses import UNCOUNTED, Counted, Use, Uses
from bailiwick.grants.verifier import Incarnation
from bailiwick.ids import AgentId


class Held:
    """A grant in the hands of an agent."""

    __slots__ = ("above", "below", "blocks", "counted", "coverage", "grant", "incarnation", "token", "version")

    def __init__(self, grant: Grant, above: Held | None) -> None:
        self.grant = grant
        self.above = above
        self.below: dict[AgentId, Held] = {}
        self.coverage = Coverage(grant)
        own = () if grant.uses is None else ((grant.id, grant.uses),)
        self.counted: Counted = own if above is None else above.counted + own
        self.incarnation: Incarnation | None = None
        """As others are told; None until somebody asks."""
        self.token: Token | None = None
        self.blocks: tuple[str, ...] = ()
        """The last blocks of all tokens that were made for it."""
        self.version = 0
        """Of the revocations, when it was last looked at."""

    @property
    def names(self) -> Iterator[str]:
        """By any of these it is revoked: its own, and those of all that it comes from."""
        held: Held | None = self
        while held is not None:
            yield held.grant.id
            yield held.grant.agent
            yield from held.blocks
            held = held.above

    def __iter__(self) -> Iterator[tuple[int, Held]]:
        """This and all that come from it, each before those, with how deep they are below this one."""
        unread: list[tuple[int, Held]] = [(0, self)]
        while unread:
            depth, held = unread.pop()
            yield depth, held
            unread.extend((depth + 1, below) for below in reversed(held.below.values()))


class Taken(NamedTuple):
    """What a revocation came to."""

    record: Revocation
    """What belongs on record: as it was asked for, with the grant that is meant where it was only named by a token."""
    grants: list[Grant]
    """Those of this process that it took back."""


class GrantBook:
    """Who holds which grant. Grants are made and closed in one thread, as agents are; checked, used and revoked in any."""

    def __init__(
        self,
        revocations: Revocations,
        clock: Clock,
        *,
        uses: Uses | None = None,
        root: RootKey | None = None,
        secret: HostSecret | None = None,
    ) -> None:
        """``root`` and ``secret`` are needed for tokens, and for nothing else."""
        self.revocations = revocations
        self.uses = uses or Uses()
        self.roots: dict[AgentId, Held] = {}
        self._clock = clock
        self._root = root
        self._secret = secret
        self._held: dict[AgentId, Held] = {}
        self._lock = threading.Lock()

    def open(self, grant: Grant) -> Grant:
        """What a principal granted: the root of a tree. The same again changes nothing. Raises `NotGranted` if its agent holds another."""
        before = self._held.get(grant.agent)
        if before is None:
            self.roots[grant.agent] = self._held[grant.agent] = Held(grant, None)
        elif before.above is not None or before.grant != grant:
            raise _holds_another(before.grant)
        return grant

    def derive(self, parent: AgentId, agent: AgentId, epoch: int = 0, *, on_record: bool = False, **narrowing: Any) -> Grant:
        """The grant of ``agent``, which ``parent`` launches: its own, but for ``narrowing``, by fields of `Grant`. A spawn that is gone
        through again derives the same again; one that stands ``on_record`` was let through before whatever was taken back since.

        Raises `NotGranted` where it would be wider, the parent holds none, may not hand it on, or the agent holds another; `Revoked`;
        `BadInput`.
        """
        above = self._of(parent)
        if not on_record:
            self._refuse_revoked(above)
        fields = {"id": f"grt_{agent[4:]}", "budget": agent} | narrowing
        child = narrow(above.grant, agent=agent, epoch=epoch, key=b"", **fields)
        before = self._held.get(agent)
        if before is None:
            above.below[agent] = self._held[agent] = Held(child, above)
        elif before.above is not above or before.grant != child:
            raise _holds_another(before.grant)
        return child

    def renew(self, agent: AgentId, epoch: int) -> Grant:
        """``agent`` goes on as another incarnation, here or elsewhere, with what it was granted; what was made for the one before counts
        for nothing, nor do tokens of those below it: theirs are made anew. Raises `NotGranted` for an epoch that has passed."""
        held = self._of(agent)
        if epoch == held.grant.epoch:
            return held.grant
        if epoch < held.grant.epoch:
            raise NotGranted(f"{agent} is in epoch {held.grant.epoch}: {epoch} has passed", grant=held.grant.id, why="its epoch has passed")
        for _, below in held:
            below.token = None
        held.grant = replace(held.grant, epoch=epoch, key=b"")
        held.coverage = Coverage(held.grant)
        held.incarnation = None
        return held.grant

    def close(self, agent: AgentId) -> None:
        """``agent`` has ended: it holds nothing any more. Those that it launched and that live on keep what they were granted."""
        held = self._held.pop(agent, None)
        while held is not None and not held.below and held.grant.agent not in self._held:
            (self.roots if held.above is None else held.above.below).pop(held.grant.agent, None)
            held = held.above

    def __getitem__(self, agent: AgentId) -> Grant:
        """What ``agent`` holds. Raises `NotGranted`."""
        return self._of(agent).grant

    def check(self, call: Call, epoch: int | None = None) -> Grant:
        """The grant that covers ``call``, asked for by the agent that it names, in ``epoch`` where that is known.

        Raises `NotGranted` or `Revoked` with facts ``grant``, ``tool``, ``why``. Once a revocation was applied, no call that begins
        later gets through, in any thread.
        """
        return self._admitted(call, epoch).grant

    def use(self, call: Call, epoch: int | None = None) -> Use:
        """As `check`; and one use is taken, where they are counted, to be settled or released."""
        held = self._admitted(call, epoch)
        return self.uses.take(held.counted, tool=call.tool) if held.counted else UNCOUNTED

    def is_counted(self, agent: AgentId) -> bool:
        """Whether uses are counted of what ``agent`` holds, or of what that comes from."""
        held = self._held.get(agent)
        return held is not None and bool(held.counted)

    def revoke(self, record: Revocation) -> Taken:
        """Take back what ``record`` names; when this returns, it is done here, and may be acknowledged once what is returned is on record
        and on its way to other hosts. Raises `BadInput` for one that names nothing."""
        for held in list(self._held.values()) if record.block and not record.grant else ():
            if record.block in held.blocks:  # Its id outlives the token: a host that starts again makes other tokens.
                record = replace(record, grant=held.grant.id)
        self.revocations.apply(record)
        names = self.revocations.names
        return Taken(record, [held.grant for held in list(self._held.values()) if any(name in names for name in held.names)])

    def tree(self) -> Iterator[tuple[int, Held]]:
        """All that is held, each grant after the one it comes from, with how deep it is."""
        for root in list(self.roots.values()):
            yield from root

    def token(self, agent: AgentId) -> Token:
        """The grant of ``agent`` as a token, for when it leaves the process. Raises `Revoked`, `BadInput` without the keys, and
        `NotGranted` where uses are counted here."""
        held = self._of(agent)
        self._refuse_revoked(held)
        if held.counted:
            raise NotGranted(
                f"the uses of this grant of {agent} are counted here: it does not leave", grant=held.grant.id, why="it is counted"
            )
        with self._lock:
            return self._token_of(held)

    def incarnation(self, agent: AgentId) -> Incarnation | None:
        """Who ``agent`` is now, for a `Verifier`; None if it is not known here. Keys are derived when they are asked for."""
        held = self._held.get(agent)
        if held is None:
            return None
        return held.incarnation or (self._incarnation_of(held, self._secret) if self._secret is not None else None)

    def _admitted(self, call: Call, epoch: int | None) -> Held:
        held = self._held.get(call.agent)
        if held is None:
            raise NotGranted(f"{call.agent} holds no grant here", grant="", tool=call.tool, why="it holds no grant")
        if held.version != self.revocations.version:
            self._refuse_revoked(held, call.tool)
        if self.revocations.leased:
            self.revocations.refuse_unheard()
        grant = held.grant
        if epoch is not None and epoch != grant.epoch:
            why = f"it is for epoch {grant.epoch}, and it asks in {epoch}"
            raise NotGranted(f"{call.tool} is not granted to {call.agent}: {why}", grant=grant.id, tool=call.tool, why=why)
        if why := held.coverage.refusal(call, self._clock.now_ns() if grant.expires_ns else 0):
            raise NotGranted(f"{call.tool} is not granted to {call.agent}: {why}", grant=grant.id, tool=call.tool, why=why)
        return held

    def _refuse_revoked(self, held: Held, tool: str = "") -> None:
        version = self.revocations.version  # Before the names are read: what comes in between is seen the next time.
        self.revocations.refuse(held.names, grant=held.grant.id, tool=tool)
        held.version = version

    def _of(self, agent: AgentId) -> Held:
        held = self._held.get(agent)
        if held is None:
            raise NotGranted(f"{agent} holds no grant here", grant="", why="it holds no grant")
        return held

    def _token_of(self, held: Held) -> Token:
        if held.token is None:
            if self._root is None or self._secret is None:
                raise BadInput("tokens are made with a root key and a host secret, and there are none here")
            grant = replace(held.grant, key=(held.incarnation or self._incarnation_of(held, self._secret)).key)
            if held.above is None:
                held.token = mint_token(self._root, grant)
            else:
                above = held.above.grant
                held.token = attenuate(self._token_of(held.above), grant, self._secret.agent_key(above.agent, above.epoch))
            held.blocks += held.token.revocation_ids[-1:]
        return held.token

    @staticmethod
    def _incarnation_of(held: Held, secret: HostSecret) -> Incarnation:
        grant = held.grant
        held.incarnation = Incarnation(grant.epoch, grant.key or secret.agent_key(grant.agent, grant.epoch).public)
        return held.incarnation


def _holds_another(grant: Grant) -> NotGranted:
    return NotGranted(f"{grant.agent} holds another grant already", grant=grant.id, why="it holds another")
