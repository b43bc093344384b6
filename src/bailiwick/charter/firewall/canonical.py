"""A call in canonical form: what rules compare and judges are shown.

The form is bounded (`MAX_LEAVES` values, `MAX_CHARS` characters of each), made in linear time, and making it never raises: a
value nobody can read has no kind, is marked, and no learnt rule allows it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Literal, cast

import msgspec

from bailiwick.charter.firewall import addresses
from bailiwick.charter.firewall.text import DECODES, MAX_CHARS, TRUNCATED, Folded, decodings, fold
from bailiwick.effects import NO_LABELS, Call

MAX_LEAVES = 64
MAX_TOKENS = 512
_DEPTH = 6
_TOKEN = re.compile(r"[^\W_]+|[;|&`$<>(){}\[\]\\=*#@~^\"'/+%¤!]")
_SPECIAL = frozenset(';|&`$<>(){}[]\\=*#@~^"/+%¤')
_SPACED_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[:\s]){8}")

FieldKind = Literal["text", "number", "path", "url", "mail", "other"]


class Field(msgspec.Struct):
    """One argument; of a list, all its elements together."""

    kind: FieldKind
    values: list[str] = []
    """Each text, folded."""
    tokens: list[str] = []
    """Words and significant signs of all texts, in order; a word with a digit in it is ``0`` or ``a0``."""
    hosts: list[str] = []
    paths: list[str] = []
    numbers: list[float] = []
    marks: frozenset[str] = frozenset()
    """Significant signs that occur, and what had to be undone (see `fold`)."""
    chars: int = 0


class Canonical(msgspec.Struct):
    """A call as rules see it."""

    tool: str
    fields: dict[str, Field]
    keys: frozenset[str]
    """By what a rule may be found: tokens, hosts, paths, whole values."""
    labels: Mapping[str, frozenset[str]] = NO_LABELS
    known_digest: str = ""

    @property
    def digest(self) -> str:
        """16 hex digits: the same for calls that differ in spelling only. Made when it is first asked for."""
        if not self.known_digest:
            hashed = blake2b(self.tool.encode("utf-8", "replace"), digest_size=8)
            for name, field in sorted(self.fields.items()):
                said = "\x1f".join((name, *field.values, *field.paths, *map(repr, field.numbers), *sorted(field.marks)))
                hashed.update(said.encode("utf-8", "replace") + b"\x1e")
            self.known_digest = hashed.hexdigest()
        return self.known_digest


def canonicalise(call: Call) -> Canonical:
    """``call`` in canonical form."""
    fields: dict[str, Field] = {}
    for leaf, (name, value) in enumerate(_leaves(call.arguments)):
        if leaf >= MAX_LEAVES:
            _mark(fields.setdefault(name, Field("other")), TRUNCATED)
            break
        known = fields.get(name)
        if known is None:
            fields[name] = _field(value)
        else:
            _join(known, _field(value))
    return _with_keys(call, fields)


def _with_keys(call: Call, fields: dict[str, Field]) -> Canonical:
    keys: set[str] = set()
    for name, field in fields.items():
        keys.update(field.tokens)
        for value in field.values:
            keys.add(f"e {name} {value}")
        for host in field.hosts:
            keys.add("h " + host)
            keys.update(["h ." + parent for parent in _parents(host, ".")])
        for path in field.paths:
            keys.update(["p " + prefix for prefix in _ancestors(path)])
    return Canonical(call.tool, fields, frozenset(keys), call.labels)


def _leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every value that holds no others, under its dotted name; elements of a list under the name of the list."""
    if isinstance(value, str | int | float):  # Most are.
        yield name, value
    elif isinstance(value, Mapping) and depth < _DEPTH:
        for key, item in cast(Mapping[Any, Any], value).items():
            yield from _leaves(item, f"{name}.{key}"[:128] if name else str(key)[:128], depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth < _DEPTH:
        items = cast(list[Any], value)
        if not items:
            yield name, None
        for item in items:
            yield from _leaves(item, name, depth + 1)
    else:
        yield name, value


def _field(value: Any) -> Field:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return Field("text", values=[str(value).lower()], tokens=[str(value).lower()])
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        return Field("number", numbers=[number]) if math.isfinite(number) else Field("other", marks=frozenset({"unbounded"}))
    if isinstance(value, bytes):
        made = _text(value[: MAX_CHARS + 1].decode("utf-8", "replace"))
        return _mark(made, "bytes")
    return Field("other", marks=frozenset({type(value).__name__[:32]}))


def _text(raw: str) -> Field:
    folded = fold(raw)
    text = folded.text
    field = Field("text", values=[text], chars=len(text), marks=folded.marks)
    if addresses.is_url(text):
        _read_url(field, folded, raw)
    elif addresses.is_mail(text):
        field.kind = "mail"
        # Of the host as it was written: folding look-alikes would take a false host for the true one.
        field.hosts = [addresses.mail_host(raw.strip())]
    elif addresses.is_path(folded.decoded):
        field.kind = "path"
        field.paths = [addresses.resolve(folded.decoded)]
    tokens = _TOKEN.findall(text)
    if len(tokens) > MAX_TOKENS:
        del tokens[MAX_TOKENS:]
        _mark(field, TRUNCATED)
    if not text.isalpha():
        tokens = [token if token.isalpha() or not token.isalnum() else "0" if token.isdigit() else "a0" for token in tokens]
    field.tokens = tokens
    signs = _SPECIAL.intersection(text)
    if "://" in text and field.kind != "url":
        signs |= {"url"}
    if (max(map(len, raw.split()), default=0) >= 16 or _SPACED_HEX.search(raw)) and decodings(raw, depth=1):
        signs |= {DECODES}
    if signs:
        field.marks |= signs
    return field


def _read_url(field: Field, folded: Folded, raw: str) -> None:
    written = addresses.read_url(raw.strip()[:MAX_CHARS])
    address = addresses.read_url(folded.decoded)
    field.kind = "url"
    field.hosts = [written.host or address.host or "?"]
    field.paths = [address.path]
    if written.odd or address.odd or (written.host != address.host):
        _mark(field, addresses.ODD)
    if address.query:
        _mark(field, "query")
    if address.port:
        _mark(field, "port " + address.port[:8])
    if address.scheme not in ("https", "http"):
        _mark(field, "scheme " + address.scheme[:16])


def _mark(field: Field, mark: str) -> Field:
    field.marks |= {mark}
    return field


def _join(field: Field, other: Field) -> None:
    if field.kind != other.kind:
        field.kind = "other"
    field.values = field.values + other.values
    field.tokens = (field.tokens + other.tokens)[:MAX_TOKENS]
    field.hosts = field.hosts + other.hosts
    field.paths = field.paths + other.paths
    field.numbers = field.numbers + other.numbers
    field.marks |= other.marks
    field.chars += other.chars


def _parents(host: str, separator: str) -> Iterator[str]:
    yield host
    while separator in host:
        host = host.partition(separator)[2]
        yield host


def _ancestors(path: str) -> Iterator[str]:
    """``/a/b``, ``/a``, ``/``; at most 32 of them."""
    for _ in range(32):
        yield path
        if "/" not in path.rstrip("/") or path == "/":
            return
        path = path.rpartition("/")[0] or "/"
