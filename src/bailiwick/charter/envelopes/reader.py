"""A cursor over a property's words, and the reading of what both events and properties are made of."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Generator
from contextlib import contextmanager

from bailiwick.charter.envelopes.words import KNOWN, Token, duration_ns, nearest, tokens, wrong
from bailiwick.errors import BadInput

MAX_DIGITS = 32
MAX_DEPTH = 32
"""How deep brackets and operators may be nested."""


class Reader:
    """Reads word by word. Every method raises `BadInput` where something else stands."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> Token:
        """What comes next; it stays there."""
        return self._tokens[self._at]

    def ahead(self, steps: int) -> Token:
        """What comes ``steps`` after the next; the end, where there is nothing."""
        return self._tokens[min(self._at + steps, len(self._tokens) - 1)]

    def take(self) -> Token:
        """The next, which is behind us then."""
        token = self.next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def sees(self, *words: str) -> bool:
        """Whether one of these comes next."""
        return self.next.kind in ("word", "mark") and self.next.text in words

    def accept(self, *words: str) -> str:
        """The next, taken, if it is one of these; else empty."""
        return self.take().text if self.sees(*words) else ""

    def expect(self, *words: str) -> None:
        """Take these, one after another."""
        for word in words:
            if not self.accept(word):
                raise self.unexpected((word,))

    def unexpected(self, known: tuple[str, ...]) -> BadInput:
        """The error for what comes next, where only ``known`` could. A word before it may be what was misspelt."""
        token = self.next
        if token.kind == "word" and (hint := nearest(token.text, known)):
            return wrong(token.at, f"`{token.text}` is not known here{hint}")
        before = self._tokens[self._at - 1] if self._at else token
        if before.kind == "word" and before.text not in KNOWN and (hint := nearest(before.text, KNOWN)):
            return wrong(before.at, f"`{before.text}` is taken for a tool{hint}")
        found = f"`{token.text}`" if token.kind != "end" else "the end"
        return wrong(token.at, f"{found} stands where {' or '.join(f'`{word}`' for word in known)} can")

    def end(self, known: tuple[str, ...]) -> None:
        """Nothing comes any more; ``known`` is what else could."""
        if self.next.kind != "end":
            raise self.unexpected(known)

    @contextmanager
    def deeper(self) -> Generator[None]:
        """Inside brackets, or of an operator."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong(self.next.at, f"nested more than {MAX_DEPTH} deep")
        yield
        self._depth -= 1

    def duration_ns(self) -> int:
        """A duration: ``10m``."""
        if self.next.kind != "duration":
            raise wrong(self.next.at, f"`{self.next.text}` is no duration; write `30s`, `10m`, `2h`, `1d` or `1w`")
        return duration_ns(self.take())

    def number(self) -> float:
        """A number that is not negative."""
        token = self.next
        if token.kind != "number":
            raise wrong(token.at, f"`{token.text}` is no number")
        value = number(self.take())
        if value < 0 or not math.isfinite(value):
            raise wrong(token.at, f"`{token.text}`: give a number that is not negative and not too large to hold")
        return value

    def bound_ns(self) -> int | None:
        """``[<= 10m]``, or nothing."""
        if self.next.kind != "bound":
            return None
        self.take()
        span_ns = self.duration_ns()
        self.expect("]")
        return span_ns


def number(token: Token) -> int | float:
    """What a number's text means: whole, where it is."""
    text = token.text.replace("_", "")
    if len(text) > MAX_DIGITS:
        raise wrong(token.at, f"`{text[:20]}…` has more than {MAX_DIGITS} digits")
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def unquoted(token: Token) -> str:
    """A name as it is compared: without quotes, in Unicode's composed form."""
    return unicodedata.normalize("NFC", token.text[1:-1] if token.kind == "text" else token.text)
