"""Where a URL, a mail address or a path leads, whatever tricks its spelling plays. Lexical: nothing is looked up. Never raises."""

from __future__ import annotations

import re
from typing import NamedTuple

ODD = "odd-address"
"""A mark: user and password before the host, a number as a host, a backslash, an empty or an invalid host."""

_URL = re.compile(r"(?:[a-z][a-z0-9+.\-]{0,20}:)?(?://|\\\\|/\\|\\/)", re.IGNORECASE)
_MAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\/]{1,255}")
_PATH = re.compile(r"(?:~?[\w.\-]*/|\.{1,2}[/\\]|[a-zA-Z]:[/\\])")
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ssh": "22"}


class Address(NamedTuple):
    """A URL taken apart."""

    scheme: str
    host: str
    """In ASCII (IDNA), lower case, without the final dot; an IPv4 address in four decimal numbers; empty: none that could be read."""
    port: str
    path: str
    query: str
    odd: bool


def is_url(text: str) -> bool:
    """Whether ``text`` begins as a URL with a host does, or as one that some programs take for it."""
    return _URL.match(text) is not None


def is_mail(text: str) -> bool:
    """Whether all of ``text`` is one mail address."""
    return "@" in text and _MAIL.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Whether ``text`` is written as a path is: one word with a slash, or a drive."""
    return ("/" in text or "\\" in text) and "://" not in text and not any(map(str.isspace, text)) and _PATH.match(text) is not None


def read_url(text: str) -> Address:
    """``text`` as a browser would read it: a backslash is a slash, the host stands after the last ``@``."""
    plain = "".join(text.split()).replace("\\", "/")
    odd = len(plain) != len(text) or "\\" in text
    scheme, found, rest = plain.partition("://")
    if not found:
        scheme, rest = "", plain.partition("//")[2]
    ends = [at for at in map(rest.find, "/?#") if at >= 0]
    cut = min(ends, default=len(rest))
    authority, rest = rest[:cut], rest[cut:]
    user, at, place = authority.rpartition("@")
    host, port = _split_port(place)
    name = read_host(host)
    odd = odd or bool(at or user) or not name or (name != host.lower().rstrip("."))
    path, _, query = rest.partition("?")
    scheme = scheme.lower()
    return Address(scheme, name, "" if port == _PORTS.get(scheme) else port, resolve(path or "/"), query.partition("#")[0], odd)


def _split_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        return f"[{host}]", port.lstrip(":")
    host, _, port = place.rpartition(":")
    return (host, port) if host and port.isdigit() else (place.rstrip(":"), "")


def read_host(text: str) -> str:
    """A host's one name: IDNA in ASCII, IPv4 in whatever base as four numbers; empty where it is none."""
    host = text.lower().rstrip(".")
    if host.startswith("["):
        return host if re.fullmatch(r"\[[0-9a-f:.]{2,45}(?:%\w{1,16})?\]", host) else ""
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").lower()
        except (UnicodeError, ValueError):
            return ""
    number = _read_ipv4(host)
    if number is not None:
        return number
    return host if re.fullmatch(r"[a-z0-9_.\-]{1,253}", host) and ".." not in host else ""


def _read_ipv4(host: str) -> str | None:
    """As ``inet_aton`` reads it: one to four parts, decimal, octal (``0…``) or hexadecimal (``0x…``). None: not a number."""
    parts = host.split(".")
    if len(parts) > 4 or not parts[0][:1].isdigit():
        return None
    numbers: list[int] = []
    for part in parts:
        if len(part) > 12 or not re.fullmatch(r"0x[0-9a-f]*|[0-9]+", part):
            return None
        base = 16 if part.startswith("0x") else 8 if part.startswith("0") and len(part) > 1 else 10
        try:
            numbers.append(int(part, base) if part != "0x" else 0)
        except ValueError:
            return None
    last = numbers.pop()
    if any(number > 255 for number in numbers) or last >= 256 ** (4 - len(numbers)):
        return None
    value = last
    for at, number in enumerate(numbers):
        value += number << (24 - 8 * at)
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def resolve(path: str) -> str:
    """``path`` without ``.``, ``..`` and doubled slashes; what climbs out of a relative path keeps its ``..``."""
    path = path.replace("\\", "/")
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if parts and parts[-1] != "..":
                parts.pop()
            elif not rooted:
                parts.append("..")
            continue
        parts.append(part)
    joined = "/".join(parts)
    return "/" + joined if rooted else joined or "."


def mail_host(text: str) -> str:
    """The host of a mail address."""
    return read_host(text.rpartition("@")[2])
