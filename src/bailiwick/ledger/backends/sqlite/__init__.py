"""The record in one SQLite file: durable, for one writing process and any number of readers."""

from bailiwick.ledger.backends.sqlite.ledger import SqliteLedger
from bailiwick.ledger.backends.sqlite.reader import SqliteReader

__all__ = ["SqliteLedger", "SqliteReader"]
