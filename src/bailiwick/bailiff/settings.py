"""Settings: the only module that reads the environment and configuration files.

An option given in code or on the command line wins over ``BAILIWICK_*`` in the environment, that over ``bailiwick.toml`` in the
working directory, that over ``$XDG_CONFIG_HOME/bailiwick/config.toml``, that over the defaults. An unknown key is an error.
"""

from __future__ import annotations

import difflib
import getpass
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from bailiwick.charter import Charter
from bailiwick.errors import BadInput, NotFound
from bailiwick.grants import Budget

T = TypeVar("T", bound=msgspec.Struct)

PROJECT_FILE = "bailiwick.toml"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    home: str = ""
    """Where state lives: the ledger and what examples write. Empty: ``$XDG_STATE_HOME/bailiwick``."""
    ledger: str = "sqlite"
    """``sqlite``: durable, in ``home``. ``postgres``: durable, in the database at ``postgres_url``, for many hosts. ``memory``: gone
    when the process ends."""
    postgres_url: str = ""
    """``postgresql://USER@HOST/DATABASE``. Rather than in here, keep the password where libpq looks for it, such as ``~/.pgpass``."""
    stream: str = "main"
    """What this host writes in a ledger that many hosts share; each needs a name of its own."""
    segment_entries: int = 1_000_000
    """A ledger's file with so many entries is put aside, and the record goes on in a new one; 0: never. For ``sqlite``."""
    anchors: tuple[str, ...] = ()
    """Where signatures over the record are kept besides in it: files that those who can write the record cannot change."""
    workers: int = 0
    """How many worker processes tools may use; 0: one for each processor."""
    mailbox_capacity: int = 1_000
    """How many unfinished asks one agent may have before those who ask wait."""
    principal: str = ""
    """Who answers for what is run: a person, or a program on its own. Empty: the login name at this machine."""
    charters: tuple[str, ...] = ()
    """Files of charters that ``charter`` lies under, outermost first: the fleet's, the site's. Nothing is allowed that one of them does
    not allow."""
    charter: Charter = Charter()
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        if self.ledger not in ("sqlite", "postgres", "memory"):
            raise ValueError('`ledger` is "sqlite", "postgres" or "memory"')
        if self.workers < 0 or self.mailbox_capacity < 1 or self.segment_entries < 0:
            raise ValueError("`workers` and `segment_entries` are 0 or more, `mailbox_capacity` 1 or more")

    def __repr__(self) -> str:
        """Without the address of the database, which may hold a password."""
        shown = {name: "***" if name == "postgres_url" and self.postgres_url else getattr(self, name) for name in self.__struct_fields__}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def home_path(self) -> Path:
        """``home``, or its default, as an absolute path."""
        return Path(self.home).expanduser().absolute()

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return self.home_path / "ledger.sqlite"

    @property
    def key_path(self) -> Path:
        """The file of the key that signs the record."""
        return self.home_path / "ledger.key"

    @property
    def anchor_path(self) -> Path:
        """The file in ``home`` that notes what was signed, so that a record that lost its end, or was written anew, is not gone on with."""
        if self.ledger == "postgres":
            return self.home_path / f"ledger.{quote(self.stream, safe='')}.anchors"
        return self.ledger_path.with_name(f"{self.ledger_path.name}.anchors")


def load(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Read files and environment and return what applies. ``given`` wins; entries that are None count as not given.

    Raises `BadInput` naming file and key (and the nearest key there is) for what is not known or of the wrong type, `NotFound`
    for a file that was named and is not there.
    """
    env = os.environ if environment is None else environment
    merged: dict[str, Any] = {}
    user_file = _xdg(env, "XDG_CONFIG_HOME", ".config") / "bailiwick" / "config.toml"
    for path in (user_file, Path(PROJECT_FILE)):
        if path.is_file():
            table = _read(path)
            _convert(table, Settings, str(path))
            merged |= table
    merged |= _from_environment(env)
    merged |= {name: str(value) if isinstance(value, Path) else value for name, value in given.items() if value is not None}
    merged["home"] = merged.get("home") or str(_xdg(env, "XDG_STATE_HOME", ".local/state") / "bailiwick")
    merged["principal"] = merged.get("principal") or f"{getpass.getuser()}@{socket.gethostname()}"
    merged["workers"] = merged.get("workers") or os.cpu_count() or 1
    return _convert(merged, Settings, "settings")


def load_charter(path: Path) -> tuple[Charter, Budget]:
    """The charter and the budget in a TOML file. Raises `NotFound` or `BadInput`."""
    charter = _convert(_read(path), Charter, str(path))
    return charter, charter.budget


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    texts = ("home", "ledger", "postgres_url", "stream")
    numbers = ("workers", "mailbox_capacity", "segment_entries")
    for name, kind in (*((text, str) for text in texts), *((number, int) for number in numbers), ("principal", str)):
        text = env.get(f"BAILIWICK_{name.upper()}")
        if text:
            try:
                found[name] = kind(text)
            except ValueError:
                raise BadInput(f"BAILIWICK_{name.upper()}={text}: give a whole number") from None
    return found


def _xdg(env: Mapping[str, str], variable: str, default: str) -> Path:
    return Path(env[variable]) if env.get(variable) else Path(env.get("HOME") or "~").expanduser() / default


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise NotFound(f"{path}: no such file", path=str(path)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {error}", path=str(path)) from None


def _convert(table: Mapping[str, Any], kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"{where}: {_with_nearest(str(error), kind)}. Nothing was started") from None


def _with_nearest(message: str, kind: type[msgspec.Struct]) -> str:
    """msgspec says which key it does not know; say also which it may have been."""
    unknown = re.match(r"Object contains unknown field `([^`]*)`(?: - at `\$\.?([^`]*)`)?", message)
    if unknown is None:
        return message
    key, place = unknown[1], unknown[2] or ""
    known = _fields_at(kind, place)
    near = difflib.get_close_matches(key, known, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(f'`{name}`' for name in known)}"
    return f"unknown key `{key}`{f' in {place}' if place else ''}; {hint}"


def _fields_at(kind: type[msgspec.Struct], place: str) -> list[str]:
    """The keys known at a path such as ``charter.allow[0]``."""
    for part in filter(None, re.sub(r"\[[^]]*\]", "", place).split(".")):
        field = next(field for field in msgspec.structs.fields(kind) if field.encode_name == part)
        inner = [t for t in (field.type, *getattr(field.type, "__args__", ())) if isinstance(t, type) and issubclass(t, msgspec.Struct)]
        if inner:
            kind = inner[0]
    return [field.encode_name for field in msgspec.structs.fields(kind)]
