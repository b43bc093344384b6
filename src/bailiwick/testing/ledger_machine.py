"""`ledger_state_machine`: any ledger against the one in memory, which is the specification, over random histories."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bailiwick.effects import Record
from bailiwick.errors import BailiwickError, DuplicateIntent
from bailiwick.ids import EffectId
from bailiwick.ledger import Ledger, verify
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import agent, effect, intent, outcome, seal

_FEW = 8
"""So few effects that histories often ask for the same one twice."""

_numbers = st.integers(0, _FEW - 1)
_records: st.SearchStrategy[Record] = st.one_of(
    st.builds(intent, _numbers, arguments=st.binary(max_size=20)),
    st.builds(outcome, _numbers, value=st.binary(max_size=20)),
    st.builds(seal, st.integers(0, 2), st.binary(max_size=5)),
)


Opener = Callable[[Path], Awaitable[Ledger]]


class LedgerMachine(RuleBasedStateMachine):
    """A ledger and its model, and everything that can be done to both; `ledger_state_machine` makes one for a backend."""

    opener: ClassVar[Opener]
    durable: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="ledger-")
        self._runner = asyncio.Runner()
        self._model = MemoryLedger()
        self._all_durable = True
        self._ledger = self._open()

    def _open(self) -> Ledger:
        async def opened() -> Ledger:
            return await type(self).opener(Path(self._folder.name))

        return self._runner.run(opened())

    @rule(records=st.lists(_records, min_size=1, max_size=4))
    def append(self, records: Sequence[Record]) -> None:
        """Both take it under the same number, or both refuse it."""
        assert _result(self._ledger, records) == _result(self._model, records)
        self._all_durable = False

    @rule(number=_numbers)
    def perform(self, number: int) -> None:
        """An effect that nobody asked for before, or else a refusal, from both alike."""
        self.append([intent(number)])
        self.append([outcome(number)])

    @rule()
    def barrier(self) -> None:
        """Everything so far is durable."""
        self._runner.run(_barrier(self._ledger))
        self._all_durable = True

    @rule()
    def open_again(self) -> None:
        """Closing loses nothing, unless the medium loses everything."""
        self._runner.run(_close(self._ledger))
        if not self.durable:
            self._model = MemoryLedger()
        self._ledger = self._open()
        self._all_durable = True

    @precondition(lambda self: self._all_durable)
    @rule(after=st.integers(-1, 30))
    def read(self, after: int) -> None:
        """The same records under the same numbers, in a sound chain. Hashes differ: each ledger draws its own salts."""
        assert _numbered(self._ledger, after) == _numbered(self._model, after)
        assert verify(self._ledger.entries()) == self._ledger.head()

    @rule(after=st.integers(-1, 30))
    def read_what_is_durable(self, after: int) -> None:
        """A prefix, where not all is durable yet."""
        found = _numbered(self._ledger, after)
        assert found == _numbered(self._model, after)[: len(found)]

    @invariant()
    def agrees(self) -> None:
        """As long as each other, and the same answer about every effect and agent."""
        assert self._ledger.head().seq == self._model.head().seq
        for number in range(_FEW):
            assert self._ledger.find(effect(number)) == self._model.find(effect(number))
        for number in range(3):
            assert self._ledger.last_seal(agent(number)) == self._model.last_seal(agent(number))
        assert self._ledger.find(EffectId("eff_unknown")) is None

    def teardown(self) -> None:
        self._runner.run(_close(self._ledger))
        self._runner.close()
        self._folder.cleanup()


def ledger_state_machine(open_ledger: Opener, *, durable: bool = True) -> type[RuleBasedStateMachine]:
    """A Hypothesis state machine: ``TestMine = ledger_state_machine(open_mine).TestCase``.

    ``open_ledger`` is called inside a running event loop with a directory, and again with the same one after the ledger was
    closed. Whatever a ledger answers or refuses, the one in memory must answer or refuse. ``durable``: whether a closed one
    comes back with its entries.
    """
    return type("LedgerMachine", (LedgerMachine,), {"opener": staticmethod(open_ledger), "durable": durable})


def _numbered(ledger: Ledger, after: int) -> list[tuple[int, bytes, Record]]:
    return [(entry.seq, entry.body, entry.record) for entry in ledger.entries(after)]


def _result(ledger: Ledger, records: Sequence[Record]) -> int | type[BailiwickError]:
    try:
        return ledger.append(*records)
    except DuplicateIntent as error:
        return type(error)


async def _barrier(ledger: Ledger) -> None:
    await ledger.barrier()


async def _close(ledger: Ledger) -> None:
    await ledger.close()
