"""Texts in one spelling: what is written in many ways to slip past a comparison is written in one. Linear, bounded, never raises."""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote

MAX_CHARS = 4_096
"""Of one text; what is longer is cut and marked `TRUNCATED`, so that no rule allows what nobody read."""

ENCODED = "encoded"
ESCAPED = "escaped"
INVISIBLE = "invisible"
LOOKALIKE = "lookalike"
DECODES = "decodes"
TRUNCATED = "truncated"

_ROUNDS = 3
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_BACKSLASH = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[:\s]?){8,}")
_NEEDS_WORK = re.compile(r"[%&\\\x00-\x08\x0e-\x1f\x7f]|/\*|<!--")

# Letters of other scripts that are drawn like Latin ones (the Cyrillic, Greek and Armenian part of Unicode's confusables.txt, UTS #39),
# after NFKC and case folding, which take care of full-width, mathematical and ligature forms.
_PAIRS = (
    "аa вb еe ѐe ёe ѕs іi їi јj кk ԛq мm нh оo рp сc тt уy хx ԝw һh ӏl ԁd б6 ɡg ʏy "
    "γy αa οo ρp τt υu νv κk ιi ηn χx εe ωw ѵv օo ոn սu ցg հh քf զq ıi ʟl ᴀa ᴄc ᴅd "
    "ᴇe ᴋk ᴍm ɴn ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ǀl ∕/ ⁄/ ‘' ’' “\" ”\" ‐- ‑- ‒- –- —- −- 。. ∖\\ "
)
_LOOKALIKES = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_INVISIBLE = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})


class Folded(NamedTuple):
    """A text as it is compared."""

    decoded: str
    """Without escapes, comments, invisible and look-alike characters; in its own case."""
    text: str
    """The same, case folded."""
    marks: frozenset[str]
    """What had to be undone."""


_PLAIN: frozenset[str] = frozenset()


def fold(raw: str) -> Folded:
    """``raw`` in the one spelling; folding it again changes nothing."""
    marks: frozenset[str] = _PLAIN
    if len(raw) > MAX_CHARS:
        raw = raw[:MAX_CHARS]
        marks = frozenset({TRUNCATED})
    if raw.isascii() and _NEEDS_WORK.search(raw) is None:
        decoded = " ".join(raw.split())
        return Folded(decoded, decoded.lower(), marks)
    return _unfold(raw, set(marks))


def _unfold(raw: str, marks: set[str]) -> Folded:
    text = raw
    for number in range(_ROUNDS):
        before = text
        opened = _unescape(text)
        if opened != text:
            marks.add(ESCAPED if number == 0 else ENCODED)
        text = _spell(opened, marks)
        if text == before:
            break
    folded = _settle(text)
    if _unescape(folded) != folded:  # Encoded deeper than anybody honest does: what is left is made inert.
        marks.add(ENCODED)
        folded, text = (_settle(_inert(each)) for each in (folded, text))
    if folded.casefold() != text.casefold():
        text = folded  # What case folding brought to light counts.
    return Folded(text[:MAX_CHARS], folded[:MAX_CHARS].strip(), frozenset(marks))


def _settle(text: str) -> str:
    """Case folded and spelt until nothing changes."""
    for _ in range(4):
        before = text
        text = _spell(text.casefold(), set())
        if text == before:
            break
    return text[:MAX_CHARS].strip()


def _inert(text: str) -> str:
    return text.replace("%", "¤").replace("&", "¤").replace("\\", "¤")


def _unescape(text: str) -> str:
    if "%" in text and _PERCENT.search(text):
        text = unquote(text, errors="replace")
    if "&" in text:
        text = html.unescape(text)
    if "\\" in text:
        text = _BACKSLASH.sub(_character, text)
    return text[:MAX_CHARS]


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else " "


def _spell(text: str, marks: set[str]) -> str:
    """NFKC, no invisible characters, look-alikes as what they look like, comments and runs of space as one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        seen = "".join(_visible(character) for character in text)
        if len(seen) != len(text):
            marks.add(INVISIBLE)
        plain = unicodedata.normalize("NFKC", seen.translate(_LOOKALIKES))
        if plain != seen and _mixed(seen):
            marks.add(LOOKALIKE)
        text = plain
    elif not text.isprintable():
        seen = "".join(_visible(character) for character in text)
        if len(seen) != len(text):
            marks.add(INVISIBLE)
        text = seen
    text = _without(_without(text, "/*", "*/"), "<!--", "-->")
    return " ".join(text.split())[:MAX_CHARS]


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    selects = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return "" if selects or character == "\u034f" or unicodedata.category(character) in _INVISIBLE else character


def _mixed(text: str) -> bool:
    """Whether letters of another script stand among Latin ones: words wholly of one script are a language, not a trick."""
    for word in text.split():
        latin = any(character.isascii() and character.isalpha() for character in word)
        if latin and any(ord(character) in _LOOKALIKES and character.isalpha() for character in word):
            return True
    return False


def _without(text: str, start: str, end: str) -> str:
    if start not in text:
        return text
    parts: list[str] = []
    at = 0
    while (opens := text.find(start, at)) >= 0 and (closes := text.find(end, opens + len(start))) >= 0:
        parts += (text[at:opens], " ")
        at = closes + len(end)
    return "".join((*parts, text[at:]))


_SIGNS = {code: None for code in range(128) if not chr(code).isalnum()}


def squash(text: str) -> str:
    """Letters and digits only: what is left when spaces and signs are scattered through a text, or taken out of it."""
    if text.isalnum():
        return text
    return text.translate(_SIGNS) if text.isascii() else "".join(filter(str.isalnum, text))


def decodings(raw: str, *, depth: int = 2, max_chars: int = MAX_CHARS) -> list[str]:
    """The readable texts that are base64 or hexadecimal inside ``raw``, and inside those, to ``depth``; ``max_chars`` in all."""
    found: list[str] = []
    level = [raw[:max_chars]]
    left = max_chars
    for _ in range(depth):
        deeper: list[str] = []
        for text in level:
            for decoded in _decode_pieces(text):
                if left <= 0:
                    return found
                deeper.append(decoded[:left])
                left -= len(decoded)
        found += deeper
        level = deeper
    return found


def _decode_pieces(text: str) -> list[str]:
    found: list[str] = []
    for piece in _HEX.findall(text)[:16]:
        digits = "".join(filter(str.isalnum, piece))
        found += _readable(bytes.fromhex(digits[: len(digits) & ~1]))
    for piece in _base64_pieces(text):
        body = piece.rstrip("=").translate(_URL_SAFE)
        for skip in range(4):  # What is glued in front of it shifts it.
            rest = body[skip:]
            rest = rest[: len(rest) - 1] if len(rest) % 4 == 1 else rest
            try:
                readable = _readable(base64.b64decode(rest + "=" * (-len(rest) % 4)))
            except (binascii.Error, ValueError):
                continue
            found += readable
            if readable:
                break
    return found


def _base64_pieces(text: str) -> list[str]:
    pieces = _BASE64.findall(text)[:16]
    if "\n" in text or " " in text:  # Wrapped, or spaced out.
        pieces += [piece for piece in _BASE64.findall("".join(text.split()))[:4] if piece not in pieces]
    return [piece for piece in pieces if len(piece) >= 16 or not piece.isalpha()]


_URL_SAFE = str.maketrans("-_", "+/")


def _readable(data: bytes) -> list[str]:
    """The text in ``data``, if nearly all of it is one."""
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        usual = sum(character.isalnum() or character in " .,:;/@-_=?&'\"\n<>(){}[]!#%+$*|" for character in text)
        if len(text) >= 6 and usual >= 0.95 * len(text) and text.isascii():
            return [text]
    if len(data) >= 12:
        text = data.decode("ascii", errors="replace")
        usual = sum(character.isascii() and (character.isalnum() or character in " .,:;/@-_=?&") for character in text)
        if usual >= 0.9 * len(text):
            return [text]
    return []
