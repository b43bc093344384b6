"""Names that look alike: what may be mistaken for something forbidden is forbidden too, and what is allowed is allowed as it is spelled.

A text is *folded* by compatibility normalisation (NFKC), by leaving out what cannot be seen (zero-width and other format characters),
and by reading letters of other scripts that look like Latin ones as those. Prohibitions cover a name as it stands and as it folds,
whatever its case; an unseen-before character that is not wide (as ideographs are) may be read as any. Permissions cover a name only as
it stands, and their wildcards stand for ASCII only: whoever allows a name with other letters spells them.
"""

from __future__ import annotations

import re
import unicodedata
from fnmatch import translate
from functools import lru_cache
from typing import Any

# Letters of other scripts that common fonts draw as Latin letters. Source: Unicode Technical Standard 39, confusables.
_LOOK = "АаВЕеЗзКМНОоРрСсТУуХхѕЅіІјЈһԁԛԝѡԌΑΒΕΖΗΙΚΜΝΟοΡρΤΥυΧχαγνικɡɑıɩℓƖʏꓐꓑꓓꓔꓖꓗꓙꓚꓜꓟꓠꓡꓢꓣꓥꓪꓫꓬꓮꓰꓲꓳꓴꓦᎪᎬᎳᎷᏀᏃᏆᎢᎩᏟᏢᏚᏴ"
_LIKE = "AaBEe33KMHOoPpCcTYyXxsSiIjJhdqwwGABEZHIKMNOoPpTYuXxaynikgaiilIYBPDTGKJCZMNLSRVWXYAEIOUVAEWMGZITYCPSB"
_LATIN = str.maketrans(_LOOK, _LIKE)
_UNSEEN = frozenset(("Cf", "Cc", "Cn", "Co", "Cs"))
_WILD = re.compile(r"[*?\[]")


def fold(text: str) -> str:
    """``text`` as whoever reads it on a screen may take it. ASCII comes back as it is."""
    if text.isascii():
        return text
    normal = unicodedata.normalize("NFKC", text).translate(_LATIN)
    seen = "".join(letter for letter in normal if letter.isascii() or unicodedata.category(letter) not in _UNSEEN)
    return unicodedata.normalize("NFKC", seen)


def folded(value: Any) -> Any:
    """``value`` with every text in it folded. Names of fields stay: rules ask for them as the tool spells them."""
    if isinstance(value, str):
        return fold(value)
    if isinstance(value, dict):
        return {name: folded(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | set | frozenset):
        return [folded(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def plain(value: Any) -> bool:
    """Whether every text in ``value`` is ASCII, so that folding changes nothing."""
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, dict):
        return all(plain(name) and plain(inner) for name, inner in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple | set | frozenset):
        return all(plain(inner) for inner in value)  # pyright: ignore[reportUnknownVariableType]
    return True


def prefix(pattern: str) -> str:
    """What every ASCII name begins with, folded and in lower case, that ``pattern`` covers for a prohibition."""
    wild = _WILD.search(pattern)
    return fold(pattern if wild is None else pattern[: wild.start()]).lower()


def strictly(pattern: str, name: str) -> bool:
    """Whether a permission for ``pattern`` covers ``name``: as it is spelled, wildcards for ASCII only."""
    if pattern == name:
        return True
    if not name.isascii():
        return _spelled(pattern, name)
    return _regex(pattern).match(name) is not None


def loosely(pattern: str, name: str) -> bool:
    """Whether a prohibition for ``pattern`` covers ``name`` or something that ``name`` could be taken for."""
    if pattern == "*" or _regex(pattern).match(name) is not None:
        return True
    easy = _regex(fold(pattern).lower())
    if name.isascii():
        return easy.match(name.lower()) is not None
    reading = fold(name).lower()
    return easy.match(reading) is not None or _could_be(fold(pattern).lower(), reading)


@lru_cache(maxsize=16_384)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@lru_cache(maxsize=1_024)
def _spelled(pattern: str, name: str) -> bool:
    """Whether ``pattern`` covers ``name`` with wildcards that stand for ASCII only: each other letter is replaced, in both, by a
    character that no wildcard of the pattern can produce."""
    literal = {letter for letter in pattern if not letter.isascii()}
    if any(not letter.isascii() and letter not in literal for letter in name) or "[" in pattern:
        return False
    parts = ("[\\x00-\\x7f]*" if c == "*" else "[\\x00-\\x7f]" if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), name, re.DOTALL) is not None


def vague(letter: str) -> bool:
    """Whether a folded letter may still be read as another: it is neither ASCII nor wide, as ideographs are."""
    return not letter.isascii() and unicodedata.east_asian_width(letter) not in "WF"


def may_begin(start: str, reading: str) -> bool:
    """Whether ``reading``, folded and in lower case, may be read as something that begins with ``start``."""
    if len(start) > len(reading):
        return False
    return all(letter == read or vague(read) for letter, read in zip(start, reading, strict=False))


def _could_be(pattern: str, reading: str) -> bool:
    """Whether ``pattern`` covers ``reading`` or what its vague letters may be read as. From left to right, back to the last ``*``."""
    unsure = [vague(letter) for letter in reading]
    if not any(unsure):
        return False
    tokens = _tokens(pattern)
    at = token = 0
    star, resumed = -1, 0
    while at < len(reading):
        if token < len(tokens) and tokens[token] == "*":
            star, resumed = token, at
            token += 1
        elif token < len(tokens) and (unsure[at] or tokens[token] == reading[at] or _special(tokens[token], reading[at])):
            at, token = at + 1, token + 1
        elif star >= 0:
            resumed += 1
            at, token = resumed, star + 1
        else:
            return False
    return all(rest == "*" for rest in tokens[token:])


def _special(part: str, letter: str) -> bool:
    """Whether ``?`` or a class of letters covers ``letter``."""
    return part == "?" or (len(part) > 1 and _regex(part).match(letter) is not None)


@lru_cache(maxsize=16_384)
def _tokens(pattern: str) -> list[str]:
    """A shell pattern, taken apart: letters, ``?``, ``*``, ``[…]``."""
    return re.findall(r"\[!?\]?[^\]]*\]|.", pattern, re.DOTALL)
