"""Faults on plan: a ledger that crashes, fills up or fails at a chosen call. The code under test has no hooks; the port is wrapped.

::

    for plan in FaultPlan.around_every_append(appends):
        ledger = FaultyLedger(MemoryLedger(), plan)
        with suppress(Crash):
            asyncio.run(campaign(ledger))
        asyncio.run(resume(ledger.after_restart()))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from bailiwick.effects import Record
from bailiwick.errors import LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger import Entry, Head, Ledger, Past, Sealed
from bailiwick.ledger.backends.memory import MemoryLedger


class Crash(BaseException):
    """The process died here, as far as the test is concerned. No `Exception`, so that nothing handles it by accident."""


@dataclass(frozen=True, kw_only=True)
class FaultPlan:
    """Which call goes wrong, and how; calls are counted from 1, and 0 means never.

    After a crash every call crashes: the dead do nothing more. After a full disk or a failed barrier the ledger is fail-stop:
    what would write raises `LedgerUnavailable`, what reads still answers.
    """

    crash_before_append: int = 0
    """Nothing of this append is on record."""
    crash_after_append: int = 0
    """It is on record, durable or not, and the caller never learns it."""
    crash_before_barrier: int = 0
    """The caller waited for something that never became durable."""
    crash_after_barrier: int = 0
    """It is durable, and the caller never learns it."""
    full_at_append: int = 0
    """The disk is full: nothing of this append is on record."""
    fail_barrier: int = 0
    """The disk is full or broken: this barrier raises, and what was appended since the last one may be lost."""

    @classmethod
    def around_every_append(cls, appends: int) -> list[Self]:
        """A crash before and a crash after each of the first ``appends`` appends."""
        return [plan for nth in range(1, appends + 1) for plan in (cls(crash_before_append=nth), cls(crash_after_append=nth))]

    @classmethod
    def around_every_barrier(cls, barriers: int) -> list[Self]:
        """A crash before and a crash after each of the first ``barriers`` barriers."""
        return [plan for nth in range(1, barriers + 1) for plan in (cls(crash_before_barrier=nth), cls(crash_after_barrier=nth))]

    @classmethod
    def full_at_every_call(cls, appends: int, barriers: int) -> list[Self]:
        """A full disk at each of the first ``appends`` appends and ``barriers`` barriers."""
        full = [cls(full_at_append=nth) for nth in range(1, appends + 1)]
        return full + [cls(fail_barrier=nth) for nth in range(1, barriers + 1)]

    def __str__(self) -> str:
        """Fit for the name of a parametrised test: ``crash_before_append=3``."""
        return ",".join(f"{name}={nth}" for name, nth in vars(self).items() if nth) or "no fault"


class FaultyLedger(Ledger):
    """``inner``, with the faults of ``plan``. Without a plan it only counts, which tells how many plans there are."""

    def __init__(self, inner: Ledger, plan: FaultPlan | None = None) -> None:
        self.inner = inner
        self.plan = plan or FaultPlan()
        self.appends = 0
        """How often `append` was called."""
        self.barriers = 0
        """How often `barrier` was called."""
        self.crashed = False
        self.failed = False
        self._durable_seq = inner.head().seq

    def append(self, *records: Record) -> int:
        self._live()
        self.appends += 1
        self._crash_at(self.plan.crash_before_append, self.appends)
        self._fill_at(self.plan.full_at_append, self.appends)
        seq = self.inner.append(*records)
        self._crash_at(self.plan.crash_after_append, self.appends)
        return seq

    async def barrier(self) -> None:
        self._live()
        self.barriers += 1
        nth = self.barriers  # Others may call while this one waits.
        self._crash_at(self.plan.crash_before_barrier, nth)
        self._fill_at(self.plan.fail_barrier, nth)
        seq = self.inner.head().seq
        await self.inner.barrier()
        self._durable_seq = max(self._durable_seq, seq)
        self._crash_at(self.plan.crash_after_barrier, nth)
        self._live()

    def find(self, effect: EffectId) -> Past | None:
        self._live()
        return self.inner.find(effect)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        self._live()
        return self.inner.last_seal(agent)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        self._live()
        return self.inner.entries(after)

    async def erase(self, seqs: Sequence[int]) -> int:
        self._live()
        return await self.inner.erase(seqs)

    def head(self) -> Head:
        self._live()
        return self.inner.head()

    async def close(self) -> None:
        """Close ``inner``, unless the process crashed: the dead close nothing."""
        if not self.crashed:
            await self.inner.close()

    def after_restart(self, *, keep_unflushed: bool = False) -> MemoryLedger:
        """What a new process would find: all that was durable when the old one died; with ``keep_unflushed`` also what it had
        appended since its last barrier, which the disk may have got before the crash. Both happen; test both."""
        found = MemoryLedger()
        for entry in self.inner.entries():
            if keep_unflushed or entry.seq <= self._durable_seq:
                found.append(entry.record)
        return found

    def _live(self) -> None:
        if self.crashed:
            raise Crash("this process crashed before")

    def _crash_at(self, planned: int, nth: int) -> None:
        if planned == nth:
            self.crashed = True
            raise Crash(f"on plan: {self.plan}")

    def _fill_at(self, planned: int, nth: int) -> None:
        if self.failed or planned == nth:
            self.failed = True
            raise LedgerUnavailable(
                f"the record cannot be written (disk full, on plan: {self.plan}); free space, then run again with --resume"
            )
