from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_suite import LedgerSuite


class TestSqliteLedger(LedgerSuite):
    async def open(self, where: Path) -> Ledger:
        return SqliteLedger.open(where / "ledger.sqlite")

    def crash_image(self, where: Path, image: Path) -> None:
        # The lock file is not copied: the copy is another ledger. First the log, which only grows while it is small: what
        # the file says then is at least as new as what the log builds on.
        for name in ("ledger.sqlite", "ledger.sqlite-wal"):
            if (where / name).exists():
                shutil.copy(where / name, image / name)

    @contextmanager
    def broken_medium(self, ledger: Ledger, where: Path) -> Iterator[None]:
        """No file of this process may grow: the kernel refuses with EFBIG, which SQLite calls an I/O error."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestSqliteLedgerThatCommitsEachAppend(TestSqliteLedger):
    """The naive mode that benchmarks compare with keeps every promise too."""

    async def open(self, where: Path) -> Ledger:
        return SqliteLedger.open(where / "ledger.sqlite", max_batch=1)
