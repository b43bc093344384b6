"""What stands on the record: what was asked (`Intent`), each further try (`Attempt`), what came of it (`Outcome`), what an agent
remembers (`Seal`), who vouches for the chain so far (`Attestation`), what was taken out (`Erasure`), what people are asked (`Request`),
what they decide (`Ruling`), and what is granted no more (`Revocation`)."""

from __future__ import annotations

import enum

import msgspec

from bailiwick import codec
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
    UNDO = "undo"
    """What an earlier effect did is taken back: an effect too, with an intent and an outcome of its own."""
    PLAN = "plan"
    """Nothing acts: the run asks what it may do."""
    VERSION = "version"
    """Nothing acts: the run notes which version of a change in its code it goes by."""


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
    CANCELLED = "cancelled"
    """Whoever asked took the question back before there was an answer."""


class Cost(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What one effect used: measured where it acted, settled against the purse."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    sent_bytes: int = 0
    node_s: float = 0.0
    """Seconds on nodes of a cluster, summed over the nodes."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            cpu_s=self.cpu_s + other.cpu_s,
            wall_s=self.wall_s + other.wall_s,
            tokens=self.tokens + other.tokens,
            usd=self.usd + other.usd,
            sent_bytes=self.sent_bytes + other.sent_bytes,
            node_s=self.node_s + other.node_s,
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
    caused_by: tuple[EffectId, ...] = ()
    """Effects of the same run whose results went into the arguments, as far as the runtime saw it: objects passed on as they came."""
    undoes: EffectId | None = None
    """For an undo: the effect that is taken back."""
    oneway: bool = False
    """For an ask: nobody waits for the answer, so whoever comes back after a crash has to deliver it."""
    path: str = ""
    """For a tool that can be undone or probed: ``module:name`` where another process finds it."""
    rule: str = ""
    """The charter's rule that let it through; empty where none was needed."""
    key: str = ""
    """The idempotency key; empty: the id. Another one on a branch, whose effects are not those of the run it left."""
    principal: str = ""
    """For a run: the person or program that answers for it. Everything in the run acts on their behalf."""
    grant: str = ""
    """For a run: the id of the purse that pays."""
    charter: str = ""
    """For a run: the digest of the charter it began under."""
    code: str = ""
    """For a run or an ask: the digest of the code that answered first."""
    asked: str = ""
    """Where a person changed the arguments before it was let through: `codec.digest` of those that were asked with."""

    @property
    def idempotency_key(self) -> str:
        """What the tool gives the other side so that a second request is known for the same as the first."""
        return self.key or self.id

    @property
    def waits_for_disk(self) -> bool:
        """Whether it must be durable before anything acts (invariant 1). Asks and spawns act on nothing but agents, whose
        own effects have their own intents; pure calls and reads leave nothing behind that a crash could hide. A run's own
        intent is durable before anything in it begins, so that there is something to resume."""
        if self.kind is Kind.TOOL:
            return self.effect is not EffectClass.PURE and self.effect is not EffectClass.READ
        return self.kind is Kind.RUN or self.kind is Kind.UNDO

    def same_question(self, other: Intent) -> bool:
        """Whether this asks what ``other``, which is on record, asked of the same one; time does not count."""
        same = self.arguments == other.arguments or (other.asked != "" and other.asked == codec.digest(self.arguments))
        return same and self.tool == other.tool and self.kind is other.kind and self.target == other.target


class Settler(enum.StrEnum):
    """Who decided what came of an effect that a crash had left in doubt, or that is tried again."""

    RETRY = "retry"
    """The runtime: its class, or its own failure, says that trying again is harmless."""
    PROBE = "probe"
    """The tool's probe asked the other side."""
    COMPENSATION = "compensation"
    """Whatever it may have done was taken back first."""
    PERSON = "person"
    """Somebody looked, and said so."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How it was decided what came of an effect, where it did not simply answer."""

    by: Settler
    who: str = ""
    """The person, where it was one."""
    why: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="attempt", gc=False):
    """The effect with the same ``id`` is tried again: try ``number`` begins, and the one before it has no effect any more."""

    id: EffectId
    number: int
    """2 for the second try; the first is the intent itself."""
    failure: Failure | None = None
    """Why the try before was not the last; None if it was cut off by a crash."""
    settlement: Settlement
    """Why another try may be made."""
    begun: bool = True
    """False: it may be tried, and nobody has begun to. Then nothing is in doubt."""
    at_ns: int = 0


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
    settlement: Settlement | None = None
    """How it was found out, where the actuator did not simply answer."""


class Reentry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a run that is under way goes on from a seal: it is entered from its beginning, with these counts."""

    asked: int
    """Effects behind it: the next one asked for is number ``asked + 1``."""
    tasks: int = 0
    """Tasks behind it."""
    step: int = -1
    """The step of `Agent.steps` that comes next. Then the counts apply from there, and what stands before the steps is read from
    the record; -1: they apply from the beginning."""
    generation: int = 0
    """How often the run was migrated to other code; positions after the seal are told apart by it."""


class Seal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="seal"):
    """An agent's declared state at a moment when each of its runs had ended or stood at a boundary of its own choice."""

    agent: AgentId
    state: bytes
    ticks: dict[str, int] = {}
    """How many calls of each timer and event loop are behind it; the next one's run id derives from that."""
    at_ns: int = 0
    runs: dict[RunId, Reentry] = {}
    """Runs that were under way, and where they go on."""


class Attestation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="attestation", gc=False):
    """Whoever holds the key vouches for the chain up to entry ``seq``."""

    seq: int
    hash: bytes
    """32 bytes: the hash of entry ``seq``."""
    key: bytes
    """32 bytes: the Ed25519 public key (RFC 8032)."""
    signature: bytes
    """64 bytes over ``seq``, ``hash`` and ``at_ns``; `bailiwick.ledger.attest` spells them out."""
    at_ns: int = 0


class Erasure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="erasure", gc=False):
    """The payloads of these entries were taken out, for good: why, and by whom. The chain holds without them."""

    seqs: tuple[int, ...]
    who: str = ""
    why: str = ""
    at_ns: int = 0


class Planned(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Calls that a run means to make, as a person is shown them before they are made."""

    tool: str
    digest: str = ""
    """`codec.digest` of the exact arguments; empty: ``given`` says what they may be."""
    given: bytes = b""
    """For each argument that is bound a list of the values it may have, encoded; of the others any. Empty: any at all."""
    times: int = 1
    """How often at most."""


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="request", gc=False):
    """People are asked whether the effect ``id`` may happen. Nothing has acted; the intent goes on record once they agreed."""

    id: EffectId
    action: str
    """SHA-256 in hex of exactly what is asked for; `bailiwick.gateway.action_of` spells it out. A ruling on another one means nothing."""
    charter: str
    """The digest of the charter that says that they must be asked."""
    intent: Intent
    """What would be done."""
    principal: str = ""
    """On whose behalf."""
    asked: tuple[str, ...]
    """Who may decide."""
    need: int = 1
    """How many of them must agree; one no is a no."""
    agreed: tuple[str, ...] = ()
    """Who agreed to this very action when it was asked before, and need not be asked again."""
    number: int = 1
    """2 when it is asked anew; rulings on what was asked before do not count then. Requests of one number are all to be met."""
    origin: str = ""
    """Where a person changed the arguments: the hash of the action as the agent asked for it."""
    expires_ns: int = 0
    """From when on nobody can agree any more, and what was agreed to is not begun any more; 0: never."""
    holds: bool = False
    """What happens when that passes: it is asked again of those it can be escalated to as well, and waits on. False: that was a no."""
    escalate_to: tuple[str, ...] = ()
    """Who may decide as well once half of the time has passed, or one of those who were asked says so."""
    why: str = ""
    """The rule that wants it, and its reason."""
    plan: tuple[Planned, ...] = ()
    """Where a run asks for all that it means to do at once: what that is."""
    at_ns: int = 0


class RulingVerdict(enum.StrEnum):
    """What somebody says who was asked."""

    APPROVE = "approve"
    MODIFY = "modify"
    """Yes, with other arguments."""
    REJECT = "reject"
    ESCALATE = "escalate"
    """Those may decide as well whom it can be escalated to."""
    TERMINATE = "terminate"
    """No, and the run that asks does nothing any more."""


class Ruling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="ruling", gc=False):
    """A person decides on what was asked. It counts once, for that action under that charter, and for nothing else."""

    id: EffectId
    action: str
    """The hash of the action that they were shown."""
    charter: str
    number: int = 1
    """The number of the request that they were shown."""
    who: str
    verdict: RulingVerdict
    arguments: bytes = b""
    """For `RulingVerdict.MODIFY`: what it is to be done with, encoded."""
    why: str = ""
    at_ns: int = 0


class Revocation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="revocation", gc=False):
    """Taken back, with all that comes from it: everything named here, of which at least one is given."""

    grant: str = ""
    """A grant, whoever holds it by whichever token."""
    block: str = ""
    """A token: the revocation id of its last block, in hex. What was made from it by adding blocks has that block too."""
    agent: str = ""
    """Whatever this agent holds or has handed on, in any epoch."""
    who: str = ""
    """Who says so."""
    why: str = ""
    at_ns: int = 0


Record = Intent | Attempt | Outcome | Seal | Attestation | Erasure | Request | Ruling | Revocation
"""Everything a ledger holds. Fields are only ever added, with defaults; ``tests/golden`` keeps one file for each type and version."""
