"""The effect log as the rest of Bailiwick knows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from bailiwick.effects import Attempt, Intent, Kind, Outcome, Record, Seal
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.chain import Entry, Head


class Past(NamedTuple):
    """What is on record of one effect."""

    intent: Intent
    outcome: Outcome | None
    """None: the effect is under way, or in doubt."""
    outcome_seq: int
    """Where the outcome stands; 0 without one."""
    attempt: Attempt | None = None
    """The newest further try; None if there was only the first. Where there is an outcome, backends need not look for it."""
    erased: bool = False
    """The payload of the intent or of the outcome was erased: what it holds cannot be compared or returned."""

    @property
    def may_have_happened(self) -> bool:
        """Whether a crash left open if it acted on the world: it was begun, could leave traces, and has no outcome."""
        begun = self.attempt is None or self.attempt.begun
        return self.outcome is None and begun and self.intent.kind in (Kind.TOOL, Kind.UNDO) and self.intent.effect.leaves_traces


def past_of(intent: Entry, outcome: Entry | None, attempt: Entry | None) -> Past:
    """What these entries of one effect say of it."""
    asked = cast(Intent, intent.record)
    tried = cast(Attempt, attempt.record) if attempt is not None else None
    if outcome is None:
        return Past(asked, None, 0, tried, bool(intent.erased))
    return Past(asked, cast(Outcome, outcome.record), outcome.seq, tried, bool(intent.erased or outcome.erased))


class Sealed(NamedTuple):
    """The newest seal of one agent, and where it stands."""

    seq: int
    seal: Seal


class Ledger(ABC):
    """An append-only, hash-chained record of intents, attempts, outcomes and seals.

    What every backend guarantees (`bailiwick.testing.LedgerSuite` has a test for each):

    1. *Order.* Entries stand in the order in which `append` was called; numbers have no gaps.
    2. *Durability.* When `barrier` returns, everything appended before it was called survives a power cut, as far as the
       backend's medium allows (``memory`` survives nothing).
    3. *Prefix.* What survives a crash is always a prefix: if an entry is there, so is everything appended before it.
    4. *Together.* Records given to one `append` survive together or not at all.
    5. *Once.* A second intent with the same id raises `DuplicateIntent`; so does an outcome for an effect that has one, or that
       has no intent; so does an attempt for an effect that has no intent, or has its outcome. Then nothing of that call was appended.
    6. *Read your writes.* `find`, `last_seal` and `head` show an entry from the moment `append` returned, durable or not.
    7. *Fail-stop.* When the medium fails (full disk, lost file), `barrier` raises `LedgerUnavailable` and so does every later
       call that would write: nothing is half-acknowledged, what was durable stays readable by a new ledger.
    8. *Chain.* Each entry's hash covers its body, its payload's commitment and its predecessor's hash.
    9. *Erasure.* After `erase` the payloads are gone from the medium, hashes and bodies are as they were, and the chain holds.
    """

    @abstractmethod
    def append(self, *records: Record) -> int:
        """Put ``records`` at the end, together; return the number of the last. Returns at once, before they are durable.

        Raises `DuplicateIntent`, `LedgerUnavailable`, `Unencodable`, or `Fenced` if another incarnation writes by now; then none of
        them was appended.
        """

    @abstractmethod
    async def barrier(self) -> None:
        """Return once everything appended so far is durable. Waits for at most two group commits; concurrent callers share one.

        Raises `LedgerUnavailable` if it cannot be made durable, `Fenced` as `append` does. Cancelling the wait takes nothing back.
        """

    @abstractmethod
    def find(self, effect: EffectId) -> Past | None:
        """What is on record of ``effect``; None if nothing is. Does not wait."""

    @abstractmethod
    def last_seal(self, agent: AgentId) -> Sealed | None:
        """The newest seal of ``agent``; None if it never sealed. Does not wait."""

    @abstractmethod
    def entries(self, after: int = 0) -> Iterator[Entry]:
        """The durable entries numbered above ``after``, in order: a snapshot taken when the iteration starts."""

    @abstractmethod
    async def erase(self, seqs: Sequence[int]) -> int:
        """Take the payloads of the entries with these numbers out, for good, and return how many had one. Durable when it returns.

        Numbers that are not there, and entries without a payload, are passed over. It appends nothing: whoever erases puts an
        `Erasure` on record first. Raises `LedgerUnavailable`.
        """

    @abstractmethod
    def head(self) -> Head:
        """Number and hash of the newest entry, durable or not."""

    @abstractmethod
    async def close(self) -> None:
        """Make everything durable and let go of the medium. A second call does nothing. Raises `LedgerUnavailable` if that fails."""
