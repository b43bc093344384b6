"""A small world of grants: Ada's session grants things to agents on a host of hers, with keys that never change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import biscuit_auth
import msgspec

from bailiwick.clock import Clock
from bailiwick.effects import Call, EffectClass, Kind
from bailiwick.grants import AgentKey, Grant, GrantBook, HostSecret, Limit, Presented, Revocations, RootKey, Token, Verifier, present
from bailiwick.ids import AgentId, RunId

ADA = "ada@analytical"
AGENTS = [AgentId(f"agt_019b00000000{number:020x}") for number in range(64)]
MAIN, SCOUT, CLERK, THIEF = AGENTS[:4]
ROOT, SECRET = RootKey(b"r" * 32), HostSecret(b"h" * 32)
WRITES = (Limit(tool="write_*", argument="path", under=("/data",)),)


def whole(**fields: Any) -> Grant:
    """Everything, to `MAIN`."""
    given: dict[str, Any] = {"id": "grt_main", "agent": MAIN, "principal": ADA, "tools": ("*",), "resources": ("*",), "depth": None}
    return Grant(**given | fields)


def call(agent: AgentId = CLERK, tool: str = "write_file", effect: EffectClass = EffectClass.IDEMPOTENT, **arguments: Any) -> Call:
    """What an agent asks for; with nothing said, something that `Site` grants."""
    if not arguments and tool == "write_file":
        arguments = {"path": "/data/notes"}
    return Call(Kind.TOOL, tool, effect, arguments, agent, "Agent", RunId("run_019b00000000" + "c3" * 10), ADA, 0)


class Hands(Clock):
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at_ns = 1_767_225_600 * 10**9

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns

    async def sleep(self, duration: timedelta) -> None:
        self.at_ns += round(duration.total_seconds() * 1e9)


class Site:
    """A host with its book, its revocations, and a verifier. `MAIN` has launched `SCOUT`, and that `CLERK`; `THIEF` is there too."""

    def __init__(self, revocations: Revocations | None = None, clock: Hands | None = None, **main: Any) -> None:
        self.clock = clock or Hands()
        self.revocations = revocations or Revocations()
        self.book = GrantBook(self.revocations, self.clock, root=ROOT, secret=SECRET)
        self.book.open(whole(**main))
        self.book.derive(MAIN, SCOUT, tools=("write_*", "read_*"), arguments=WRITES)
        self.book.derive(SCOUT, CLERK, 3, tools=("write_file",))
        self.book.derive(MAIN, THIEF, tools=("read_*",))
        self.verifier = self.opened()
        self.numbers = 0

    def opened(self, **options: Any) -> Verifier:
        """Another verifier here, as after a restart."""
        return Verifier([ROOT.public], self.revocations, self.clock, ["here", "fleet"], incarnation=self.book.incarnation, **options)

    def key(self, agent: AgentId = CLERK) -> AgentKey:
        """What the agent signs with now."""
        return SECRET.agent_key(agent, self.book[agent].epoch)

    def shown(self, asked: Call, token: Token | None = None, key: AgentKey | None = None, **changes: Any) -> Presented:
        """As its holder would show it, but for ``changes``."""
        self.numbers += 1
        given: dict[str, Any] = {"host": "here", "nonce": self.numbers.to_bytes(16, "big"), "at_ns": self.clock.now_ns()}
        return present(token or self.book.token(asked.agent), key or self.key(asked.agent), asked, **given | changes)


def with_block(token: Token, datalog: str, **parameters: Any) -> Token:
    """``token`` with a block that any Biscuit tool could have added."""
    made = biscuit_auth.Biscuit.from_bytes(token.data, biscuit_auth.PublicKey.from_bytes(ROOT.public, biscuit_auth.Algorithm.Ed25519))
    return Token(bytes(made.append(biscuit_auth.BlockBuilder(datalog, parameters)).to_bytes()))


def with_grant(token: Token, grant: Grant, signature: bytes = b"") -> Token:
    """``token`` with a block that names ``grant``, whatever it says."""
    data = msgspec.msgpack.encode(grant)
    return with_block(token, 'bailiwick({g}); check if verifier("bailiwick")', g=bytes((len(signature),)) + signature + data)
