"""Names with wildcards, places on disk and hosts on the net, compared so that nothing passes for something else.

``*`` stands for any text and ``?`` for one character; there is nothing else. In a permission they stand for printable ASCII only, so
that a name with letters that only look like Latin ones is covered where somebody spelt it, and nowhere else; in a restriction they stand
for anything, so that it cannot be slipped out of.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DECODES_TO_PATH = re.compile(r"%(?:2e|2f|5c|00|25)", re.IGNORECASE)
_URL = re.compile(r"(https?|wss?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?(?:[/?#][!-~]*)?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?", re.ASCII)
_USUAL_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def check_pattern(pattern: str) -> None:
    """Raises `ValueError` for what is no pattern here: an empty text, one with a set in brackets, or with what cannot be printed."""
    if not pattern or not pattern.isprintable() or "[" in pattern or "]" in pattern:
        raise ValueError(f"{pattern!r} is no pattern: give a name in which `*` stands for any text and `?` for one character")


@lru_cache(maxsize=4_096)
def permission(pattern: str) -> re.Pattern[str]:
    """What a permission covers; use ``fullmatch``."""
    return _compiled(pattern, "[ -~]")


@lru_cache(maxsize=4_096)
def restriction(pattern: str) -> re.Pattern[str]:
    """What a restriction covers; use ``fullmatch``."""
    return _compiled(pattern, "[\\s\\S]")


@lru_cache(maxsize=16_384)
def is_narrower(inner: str, outer: str, *, restricts: bool = False) -> bool:
    """Whether every name that ``inner`` covers is covered by ``outer`` as well; never true where one is not. ``restricts``: ``outer`` is
    a restriction, whose wildcards stand for anything."""
    signs, wanted = _normal(inner), _normal(outer)
    # Which beginnings of `inner` are covered by the beginning of `outer` gone through so far. A wildcard of `inner` is one more letter
    # of its alphabet, which only a wildcard of `outer` covers: `*` anything, `?` all but a `*`.
    reached = [True] + [False] * len(signs)
    for want in wanted:
        following = [False] * (len(signs) + 1)
        if want == "*":
            following[0] = reached[0]
            for at, sign in enumerate(signs):
                following[at + 1] = reached[at + 1] or (following[at] and (restricts or sign.isascii()))
        else:
            for at, sign in enumerate(signs):
                same = sign == want if want != "?" else sign != "*" and (restricts or sign.isascii())
                following[at + 1] = reached[at] and same
        reached = following
    return reached[-1]


def is_literal(pattern: str) -> bool:
    """Whether it is a plain name."""
    return "*" not in pattern and "?" not in pattern


def place(path: object) -> tuple[str, ...] | None:
    """The components of ``path``, the first of an absolute one empty; None where it is not plain which place it names: ``.`` or ``..``
    among them, spelt in whatever way, two slashes, a backslash, a ``~`` in front, or characters that cannot be printed.

    As it is spelt: whether a component is a link, only the one who opens it can tell.
    """
    return _place(path) if isinstance(path, str) else None


@lru_cache(maxsize=4_096)
def _place(path: str) -> tuple[str, ...] | None:
    if not path or path[0] == "~" or not path.isprintable() or "\\" in path or _DECODES_TO_PATH.search(path):
        return None
    if path == "/":
        return ("",)
    parts = path.removesuffix("/").split("/")
    for part in parts[1:] if parts[0] == "" else parts:
        plain = part if part.isascii() else unicodedata.normalize("NFKC", part)
        if plain in ("", ".", "..") or "/" in plain or "\\" in plain:
            return None
    return tuple(parts)


def is_inside(path: object, folder: str) -> bool:
    """Whether ``path`` names ``folder`` or what is in it, component by component: ``13`` is not in ``1``."""
    inner, outer = place(path), place(folder)
    return inner is not None and outer is not None and inner[: len(outer)] == outer


def check_host(host: str) -> None:
    """Raises `ValueError` for what does not say which hosts: a name in small letters, ``*.`` in front for all below it, a port behind."""
    if _HOST.fullmatch(host) is None or ".." in host:
        raise ValueError(f"{host!r} is no host: give a name such as `example.org`, `*.example.org` or `example.org:8443`, in small letters")


def is_at(url: object, host: str) -> bool:
    """Whether ``url`` leads to ``host``: with http, https, ws or wss, without a name and a password, and to the usual port unless
    ``host`` has one. What some programs read otherwise than others leads nowhere."""
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if found is None or ".." in found[2] or "\\" in found[0] or found[0].count("@") > found[0].count("/@"):
        return False
    name, _, port = host.partition(":")
    usual = _USUAL_PORTS[found[1].lower()]
    if str(int(found[3] or usual)) != str(int(port or usual)):
        return False
    there = found[2].lower()
    return there.endswith(name[1:]) and len(there) > len(name) - 1 if name.startswith("*.") else there == name


def is_host_narrower(inner: str, outer: str) -> bool:
    """Whether whatever leads to ``inner`` leads to ``outer`` as well."""
    name, _, port = inner.partition(":")
    wide, _, wide_port = outer.partition(":")
    if port != wide_port:
        return False
    return name == wide or (wide.startswith("*.") and name.removeprefix("*").endswith(wide[1:]) and name != wide[2:])


def _compiled(pattern: str, one: str) -> re.Pattern[str]:
    parts = [f"{one}*" if sign == "*" else one if sign == "?" else re.escape(sign) for sign in _normal(pattern)]
    return re.compile("".join(parts))


def _normal(pattern: str) -> str:
    """The same with each run of wildcards as so many ``?`` and then a ``*``, if one was there."""
    return re.sub(r"[*?]+", lambda run: "?" * run[0].count("?") + ("*" if "*" in run[0] else ""), pattern)
