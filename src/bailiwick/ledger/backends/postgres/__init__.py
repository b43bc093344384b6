"""The record in PostgreSQL: durable, for many writing hosts and any number of readers."""

from bailiwick.ledger.backends.postgres.ledger import PostgresLedger
from bailiwick.ledger.backends.postgres.reader import PostgresReader, is_written

__all__ = ["PostgresLedger", "PostgresReader", "is_written"]
