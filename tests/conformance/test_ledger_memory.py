from __future__ import annotations

from pathlib import Path

from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_suite import LedgerSuite


class TestMemoryLedger(LedgerSuite):
    durable = False

    async def open(self, where: Path) -> Ledger:
        return MemoryLedger()
