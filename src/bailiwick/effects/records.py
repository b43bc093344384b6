"""What an effect looks like on the record: what was asked (`Intent`), what came of it (`Outcome`), what an agent remembers (`Seal`)."""

from __future__ import annotations

import enum

import msgspec

from bailiwick.ids import AgentId, EffectId, RunId


class EffectClass(enum.StrEnum):
    """What repeating an effect would do to the world; it decides what happens to one left in doubt by a crash."""

    PURE = "pure"
    """A computation: the same arguments give the same value and nothing else changes."""
    READ = "read"
    """It looks, and changes nothing; the answer may differ tomorrow."""
    IDEMPOTENT = "idempotent"
    """Twice is as good as once."""
    COMPENSABLE = "compensable"
    """It changes the world, and a declared undo takes the change back."""
    IRREVERSIBLE = "irreversible"
    """It cannot be taken back. Every tool that does not say what it is counts as this."""

    @property
    def repeatable(self) -> bool:
        """Whether doing it again is harmless, so that a crash in the middle may be followed by another attempt."""
        return self is not EffectClass.COMPENSABLE and self is not EffectClass.IRREVERSIBLE

    @property
    def leaves_traces(self) -> bool:
        """Whether doing it changes anything outside, so that its intent must be durable first."""
        return self is not EffectClass.PURE and self is not EffectClass.READ


class Kind(enum.StrEnum):
    """Who acts on an intent."""

    RUN = "run"
    """A person or program starts a run: the root of everything in it."""
    SPAWN = "spawn"
    """An agent is launched."""
    ASK = "ask"
    """Another agent's action is called; what that action does has intents of its own."""
    TOOL = "tool"
    """A tool acts on the world."""


class Fidelity(enum.StrEnum):
    """How a result was obtained. Nothing passes for more than it is (invariant 9)."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    SIMULATED = "simulated"
    CACHED = "cached"
    RECOMPUTED = "recomputed"


class Status(enum.StrEnum):
    """How an effect ended. An intent without an outcome is *in doubt*, which no outcome can say of itself."""

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one effect used: measured where it acted, settled against the purse."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    sent_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            cpu_s=self.cpu_s + other.cpu_s,
            wall_s=self.wall_s + other.wall_s,
            tokens=self.tokens + other.tokens,
            usd=self.usd + other.usd,
            sent_bytes=self.sent_bytes + other.sent_bytes,
        )


FREE = Cost()


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An exception as it crosses processes and stands on the record; see `describe` and `rebuild`."""

    code: str
    """The `BailiwickError.code` it has, or that its family has."""
    type: str
    """``module:qualified name`` of the exception class."""
    message: str
    arguments: bytes = b""
    """The exception's ``args``, encoded; empty where they cannot be."""
    facts: bytes = b""
    """`BailiwickError.facts`, encoded."""
    traceback: str = ""


class Intent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="intent", gc=False):
    """One effect, about to be performed. ``id`` derives from ``run`` and ``position``: code run again asks with the same one."""

    id: EffectId
    run: RunId
    agent: AgentId
    """Who asks."""
    position: str
    """Where in the run: ``3`` is its third effect, ``2/1`` the first effect of the second task it started."""
    kind: Kind
    tool: str
    """A tool's name; for an ask ``Class.action``; for a spawn the class."""
    effect: EffectClass
    arguments: bytes = b""
    target: AgentId | None = None
    """The agent that is asked or spawned."""
    at_ns: int = 0

    @property
    def waits_for_disk(self) -> bool:
        """Whether it must be durable before anything acts (invariant 1). Asks and spawns act on nothing but agents, whose
        own effects have their own intents; pure calls and reads leave nothing behind that a crash could hide. A run's own
        intent is durable before anything in it begins, so that there is something to resume."""
        return self.kind is Kind.RUN or (self.kind is Kind.TOOL and self.effect.leaves_traces)

    def same_question(self, other: Intent) -> bool:
        """Whether both ask the same thing of the same one; time does not count."""
        return self.tool == other.tool and self.arguments == other.arguments and self.kind is other.kind and self.target == other.target


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="outcome", gc=False):
    """What came of the intent with the same ``id``."""

    id: EffectId
    status: Status
    value: bytes = b""
    """The result, encoded; empty unless ``status`` is done."""
    failure: Failure | None = None
    fidelity: Fidelity = Fidelity.EXACT
    cost: Cost = FREE
    started_ns: int = 0
    ended_ns: int = 0


class Seal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="seal"):
    """An agent's declared state at a moment when none of its actions was half done."""

    agent: AgentId
    state: bytes
    ticks: dict[str, int] = {}
    """How many calls of each timer and event loop are behind it; the next one's run id derives from that."""
    at_ns: int = 0


Record = Intent | Outcome | Seal
"""Everything a ledger holds. Fields are only ever added, with defaults; ``tests/golden`` keeps one file for each type and version."""
