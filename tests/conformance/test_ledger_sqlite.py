from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
            with suppress(FileNotFoundError):
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


class TestSqliteLedgerInTinySegments(TestSqliteLedger):
    """A file is put aside after every five entries, so that every test goes through several."""

    segment_entries = 5

    async def open(self, where: Path) -> Ledger:
        return SqliteLedger.open(where / "ledger.sqlite", segment_entries=self.segment_entries)

    def crash_image(self, where: Path, image: Path) -> None:
        """A crash leaves what is there at one moment. Copies take a while: they are made again if files changed meanwhile."""
        while True:
            before = _state(where)
            super().crash_image(where, image)
            if (where / "ledger.segments").is_dir():
                shutil.copytree(where / "ledger.segments", image / "ledger.segments")
            if _state(where) == before:
                return
            shutil.rmtree(image)
            image.mkdir()


class TestSqliteLedgerInSegmentsOfOneAppend(TestSqliteLedgerInTinySegments):
    """A file is put aside after every commit."""

    segment_entries = 1


def _state(where: Path) -> list[tuple[str, int, int, int]]:
    """Which files there are, and what changes when they are written."""
    found: list[tuple[str, int, int, int]] = []
    for path in (*where.rglob("*.sqlite"), *where.rglob("*-wal")):
        with suppress(FileNotFoundError):
            now = path.stat()
            found.append((path.name, now.st_ino, now.st_size, now.st_mtime_ns))
    return sorted(found)
