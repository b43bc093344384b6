"""A connection to the server that comes back when it was lost, and what the server's errors mean."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, LiteralString, TypeVar

from bailiwick.clock import SystemClock
from bailiwick.errors import BadInput, BailiwickError, CorruptLedger, LedgerUnavailable

try:
    import psycopg
    from psycopg import conninfo, pq
except ImportError:
    raise BadInput("a ledger in PostgreSQL needs psycopg, which is not installed: pip install 'bailiwick[postgres]'") from None

R = TypeVar("R")

PATIENCE = timedelta(seconds=30)
"""How long a lost connection is tried again before the ledger gives up."""

Connection = psycopg.Connection[tuple[Any, ...]]

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0

_OUR_WAY: dict[str, Any] = {
    # What the URL says wins. A peer that vanished without a word is noticed within half a minute.
    "application_name": "bailiwick",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}

_AT_HOME = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
SET idle_in_transaction_session_timeout = '10s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
SET lock_timeout = 0;
SET statement_timeout = 0;
"""
"""What is acknowledged must be on disk, whatever the server's default is; a writer that vanished gives its locks back soon."""

_PRESENCE = 0x6261696C
"""The class of the advisory locks by which writers show that they live. Nobody waits for one."""

_PRESENT: LiteralString = "pg_advisory_lock_shared(%s, hashtext(current_schema() || '/' || %s))"
_ABSENT: LiteralString = "pg_try_advisory_xact_lock(%s, hashtext(current_schema() || '/' || %s))"

_PASSING = ("08", "57", "53300", "25006", "40")
"""Classes and codes of what may be gone at the next try: lost connections, a server that stops or starts, a cancelled
statement, too many connections, a standby that takes no writes yet, and deadlocks."""

_NOT_OURS = ("42P01", "42703", "42P07", "42883")
"""Tables, columns and functions that are not those of the schema."""


class Session:
    """One connection, for one thread. It is opened when it is first needed, and again when it was lost."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE, writes: str = "") -> None:
        """``writes`` is the stream that is written by this connection, as others then see while it lasts.

        Raises `BadInput` if ``url`` cannot be one. Connects to nothing yet.
        """
        try:
            parts = conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            # Not what libpq says: that may show the password.
            raise BadInput("`postgres_url` is not the address of a PostgreSQL database; give postgresql://USER@HOST/DATABASE") from None
        if not url.strip():
            raise BadInput("set `postgres_url` (BAILIWICK_POSTGRES_URL) to the address of a database: postgresql://USER@HOST/DATABASE")
        settings: dict[str, Any] = _OUR_WAY | parts
        self._conninfo = conninfo.make_conninfo("", **settings)
        self._patience_ns = int(patience.total_seconds() * 1e9)
        self._clock = SystemClock()  # The server lives in real time, whatever clock the agents live by.
        self._writes = writes
        self._connection: Connection | None = None
        self._parents: Connection | None = None
        self._prepared: dict[bytes, bytes] = {}
        self._closed = False
        host = parts.get("host") or parts.get("hostaddr") or "localhost"
        port = f":{parts['port']}" if parts.get("port") else ""
        self.where = f"postgresql://{host}{port}/{parts.get('dbname') or ''}"
        """The server and the database, without user and password: for messages."""

    def connect(self) -> None:
        """Connect now, trying once. Raises `LedgerUnavailable`."""
        try:
            self._connected()
        except psycopg.Error as error:
            raise self.unavailable(error) from error

    def run(self, work: Callable[[Connection], R]) -> R:
        """What ``work`` returns. If the connection is lost meanwhile, ``work`` is called again with a new one: it may be that what it
        did before is done, and it has to find out.

        Raises `LedgerUnavailable` if the server does not come back within the patience, or refuses; what ``work`` raises of its own.
        """
        given_up_at_ns = 0
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return work(self._connected())
            except psycopg.Error as error:
                now_ns = self._clock.monotonic_ns()
                given_up_at_ns = given_up_at_ns or now_ns + self._patience_ns
                if self._closed or not self._passes(error) or now_ns >= given_up_at_ns:
                    self._drop()
                    raise self.unavailable(error) from error
            self._drop()
            threading.Event().wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def query(self, sql: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement that changes nothing, or that may be run twice. Raises like `run`."""
        return self.run(lambda connection: connection.execute(sql, values, prepare=True, binary=True).fetchall())

    def is_written(self, stream: str) -> bool:
        """Whether a connection that writes ``stream`` lasts, also one that was fenced off. Raises like `run`."""
        return not self.query(f"SELECT {_ABSENT}", _PRESENCE, stream)[0][0]

    def look_up(self, sql: bytes, value: bytes) -> list[list[bytes | None]]:
        """Like `query`, for the one question that is asked for every new effect: binary values as they come, for one ``$1`` of bytes.

        By libpq itself, which takes a third of the time that a cursor takes.
        """
        return self.run(lambda connection: self._look_up(connection.pgconn, sql, value))

    def _look_up(self, connection: pq.abc.PGconn, sql: bytes, value: bytes) -> list[list[bytes | None]]:
        name = self._prepared.get(sql)
        if name is None:
            name = b"bailiwick_%d" % len(self._prepared)
            self._check(connection, connection.prepare(name, sql))
            self._prepared[sql] = name
        found = connection.exec_prepared(name, [value], [pq.Format.BINARY], pq.Format.BINARY)
        self._check(connection, found)
        return [[found.get_value(row, column) for column in range(found.nfields)] for row in range(found.ntuples)]

    def _check(self, connection: pq.abc.PGconn, found: pq.abc.PGresult) -> None:
        if found.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            return
        if connection.status == pq.ConnStatus.BAD:
            raise psycopg.OperationalError("the connection is lost")
        raise psycopg.errors.error_from_result(found)

    def close(self) -> None:
        """Disconnect, for good. Does not raise. May be called again, and from another thread while nothing runs."""
        self._closed = True
        self._drop()

    def abandon(self) -> None:
        """In the child of a fork: never use the connection that the parent has, nor close it."""
        self._closed = True
        self._parents, self._connection = self._connection, None

    def unavailable(self, error: psycopg.Error) -> BailiwickError:
        """What an error of the server means to whoever wanted to read or write."""
        said = " ".join(str(error).split()) or type(error).__name__
        code = error.sqlstate or ""
        if self._closed:
            return LedgerUnavailable(f"{self.where}: this ledger is closed; open it again")
        if code in _NOT_OURS:
            return CorruptLedger(f"{self.where}: what is there is not a ledger, or was damaged ({said}); name another database")
        if code.startswith("53"):
            advice = "what was acknowledged is safe; make room on the server, then run again with --resume"
        elif code.startswith(("28", "42501")):
            advice = "give the user of `postgres_url` the right to it"
        elif self._passes(error):
            advice = "what was acknowledged is safe; see that the server runs and can be reached, then run again with --resume"
        else:
            advice = "what was acknowledged is safe as far as the server is; check it with `bailiwick effects verify`"
        return LedgerUnavailable(f"{self.where}: the record cannot be reached ({said}); {advice}", sqlstate=code)

    def _connected(self) -> Connection:
        if self._connection is None:
            if self._closed:
                raise psycopg.InterfaceError("the connection is closed")
            connection = psycopg.connect(self._conninfo, autocommit=True)
            try:
                connection.execute(_AT_HOME)
                if self._writes:
                    connection.execute(f"SELECT {_PRESENT}", (_PRESENCE, self._writes))
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._prepared = {}
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def _passes(self, error: psycopg.Error) -> bool:
        if error.sqlstate:
            return error.sqlstate.startswith(_PASSING)
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
