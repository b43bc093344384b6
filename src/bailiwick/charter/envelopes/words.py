"""A property's text taken apart: words, numbers, durations, texts; and errors that name the word that was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from bailiwick.errors import BadInput

MAX_LENGTH = 4_096
"""Characters of one property."""

OUTCOMES = ("attempted", "done", "failed", "refused", "cancelled")
CLASSES = ("pure", "read", "idempotent", "compensable", "irreversible")
KINDS = ("tool", "ask", "spawn", "run", "undo")
STARTS = ("never", "always", "at", "total", "regret", "risk", "every")
OPERATORS = ("and", "or", "not", "once", "historically", "previously", "since")
OTHERS = (
    *("most", "per", "of", "highest", "lowest", "expecting", "followed", "by", "within", "stop", "only", "after", "unless", "where"),
    *("in", "like", "true", "false", "none"),
)
RESERVED = frozenset((*STARTS, *OPERATORS, *OTHERS))
"""Words that name no tool unless they stand in quotes; nor do those above, which say what is meant of a tool."""
KNOWN = RESERVED.union(OUTCOMES, CLASSES, KINDS)

UNITS_NS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3_600 * 10**9, "d": 86_400 * 10**9, "w": 7 * 86_400 * 10**9}

_TOKEN = re.compile(
    r"""(?P<bound>\[\s*<=)
      | (?P<text>"[^"\n]*"|'[^'\n]*')
      | (?P<duration>\d+(?:\.\d+)?(?:ms|s|m|h|d|w)(?![\w.*?]))
      | (?P<number>-?\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w*?]))
      | (?P<sign>==|!=|<=|>=|<|>)
      | (?P<mark>[(),\[\]])
      | (?P<word>[\w*?$@][\w*?$@.:/!-]*)""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")


class Token(NamedTuple):
    """One piece of a property."""

    kind: str
    """``word``, ``text``, ``number``, ``duration``, ``sign``, ``mark``, ``bound``, or ``end``."""
    text: str
    at: int
    """Where it begins; 0 is the first character."""


def wrong(at: int, message: str) -> BadInput:
    """The error for what stands at character ``at``."""
    return BadInput(f"at character {at + 1}: {message}", at=at + 1)


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean `x`?`` for the word of ``known`` that is nearest; empty if none is near."""
    near = difflib.get_close_matches(word, sorted(known), 1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def tokens(text: str) -> list[Token]:
    """The pieces of ``text``, with an ``end`` behind the last. Raises `BadInput` for a character that belongs to none, or for too many."""
    if len(text) > MAX_LENGTH:
        raise BadInput(f"a property has at most {MAX_LENGTH} characters, this one {len(text)}")
    found: list[Token] = []
    at = 0
    while True:
        at = _skip(text, at)
        if at == len(text):
            found.append(Token("end", "", at))
            return found
        match = _TOKEN.match(text, at)
        if match is None:
            hint = "a quote that is not closed" if text[at] in "\"'" else f"`{text[at]}` means nothing here; put names with it in quotes"
            raise wrong(at, hint)
        found.append(Token(match.lastgroup or "", match.group(), at))
        at = match.end()


def duration_ns(token: Token) -> int:
    """A duration in nanoseconds. Raises `BadInput` for none, and for more than a hundred years."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", token.text).groups()  # type: ignore[union-attr]
    span_ns = round(float(number) * UNITS_NS[unit])
    if not 0 < span_ns <= 36_525 * UNITS_NS["d"]:
        raise wrong(token.at, f"`{token.text}`: a duration is more than nothing and at most 36525d")
    return span_ns


def spell(span_ns: int | float) -> str:
    """A duration for people: in the largest unit of which it is a whole number, or in seconds."""
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if span_ns >= UNITS_NS[unit] and span_ns % UNITS_NS[unit] == 0:
            return f"{int(span_ns // UNITS_NS[unit])} {unit}"
    return f"{span_ns / UNITS_NS['s']:.3g} s"


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match is not None else at
