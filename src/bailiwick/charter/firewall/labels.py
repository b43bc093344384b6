"""Where the data in an argument came from. What a run reads from outside is remembered in one spelling, and looked for in what it does.

A copy is found when it is whole or a part of at least `SURE_CHARS` letters and digits, in any case, spacing and punctuation, in
Unicode look-alikes, percent, HTML, base64 or hexadecimal encoding, reversed, by rot13, and split over arguments or over calls.
A paraphrase is not found, nor is anything enciphered: that is what fixing a plan is for. Words that the principal or the program
said themselves carry no label.
"""

from __future__ import annotations

import codecs
import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from bailiwick import codec
from bailiwick.charter.firewall.records import Heard, LabelsState
from bailiwick.charter.firewall.text import decodings, fold, squash

BLOCK = 8
MIN_CHARS = 12
"""Of letters and digits: a shorter common part is chance. Words that look like addresses or numbers are found from five on."""
SURE_CHARS = 2 * BLOCK - 1
FORGOTTEN = "forgotten"
"""The label of what nobody can trace any more, because too much was read: not known to be trusted is not trusted."""

_CHUNK = 4_096
_TAIL_CHARS = 192
_MAX_PLACES = 8
_TELLING = re.compile(r"[0-9@./:_\-]")
_WORD = re.compile(r"[^\s<>\"'(),;\[\]{}|=]{4,200}")
_SPACED_HEX = re.compile(r"(?:[0-9a-fA-F]{2}[:\s]){8}")


class Labels:
    """The labels of one run. Bounded: ``max_chars`` letters and digits of what was read; then the oldest is forgotten.

    ``sources`` maps patterns of tool names to labels, the first that matches counts; no labels means that the tool's results are
    trusted. What a tool returns that no pattern names is labelled with the tool's name.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[str]] | None = None,
        *,
        trusted: Iterable[str] = (),
        max_chars: int = 262_144,
    ) -> None:
        self._sources = {} if sources is None else dict(sources)
        self._max_chars = max_chars
        self._heard: deque[Heard] = deque()
        self._chars = 0
        self._blocks: dict[str, list[tuple[str, int, frozenset[str]]]] = {}
        self._words: dict[str, frozenset[str]] = {}
        self._trusted: list[str] = []
        self._trusted_squashed = ""
        self._tails: dict[str, str] = {}
        """For an argument of a tool, the end of what went through it so far: what is sent in pieces is seen whole."""
        self._near_tails: set[str] = set()
        """Those of them that share a block with something heard."""
        self._answers: OrderedDict[str, tuple[frozenset[str], str, bool]] = OrderedDict()
        self._forgot = False
        for text in trusted:
            self.trust(text)

    def trust(self, text: str) -> None:
        """Take ``text`` for what the principal or the program says: the request, the charter, constants. It carries no label."""
        for start in range(0, min(len(text), 64 * _CHUNK), _CHUNK):
            folded = fold(text[start : start + _CHUNK]).text
            self._trusted.append(folded)
            self._trusted_squashed += squash(folded) + " "
        self._answers.clear()

    def labels_of_tool(self, tool: str) -> frozenset[str]:
        """What the results of ``tool`` are labelled with."""
        for pattern, labels in self._sources.items():
            if fnmatchcase(tool, pattern):
                return frozenset(labels)
        return frozenset({tool})

    def obtained(self, effect_id: str, tool: str, value: object, labels: Iterable[str] | None = None) -> frozenset[str]:
        """Remember that ``tool`` returned ``value``; return its labels. ``labels`` overrules the mapping; none: it is trusted."""
        found = self.labels_of_tool(tool) if labels is None else frozenset(labels)
        texts = list(_texts(value))
        for text in texts:
            if not found:
                self.trust(text)
                continue
            for at in range(0, len(text), _CHUNK):
                # Chunks overlap, so that what lies across the cut is found too.
                self._hear(effect_id, text[max(0, at - 64) : at + _CHUNK], found)
                self._hear_encoded(effect_id, text[at : at + _CHUNK], found)
        if texts:
            self._answers.clear()
        return found

    def _hear_encoded(self, effect_id: str, text: str, labels: frozenset[str]) -> None:
        """What the outside sends encoded, an agent may decode."""
        if max(map(len, text.split()), default=0) >= 16 or _SPACED_HEX.search(text):
            for decoded in decodings(text):
                self._hear(effect_id, decoded, labels)

    def _hear(self, effect_id: str, text: str, labels: frozenset[str]) -> None:
        folded = fold(text).text
        squashed = squash(folded)
        words = tuple({squash(word) for word in _WORD.findall(folded) if _TELLING.search(word)} - {""})
        self._index(Heard(effect=effect_id, labels=tuple(sorted(labels)), text=squashed, words=words), labels)
        while self._chars > self._max_chars and len(self._heard) > 1:
            self._forget()

    def _index(self, heard: Heard, labels: frozenset[str]) -> None:
        self._heard.append(heard)
        self._chars += len(heard.text) + 8
        for text in (heard.text, heard.text[::-1], codecs.encode(heard.text, "rot13")):
            for at in range(0, len(text) - BLOCK + 1, BLOCK):
                self._blocks.setdefault(text[at : at + BLOCK], []).append((text, at, labels))
        for word in heard.words:
            if len(word) >= 5:
                self._words[word] = self._words.get(word, frozenset()) | labels

    def _forget(self) -> None:
        gone = self._heard.popleft()
        self._chars -= len(gone.text) + 8
        self._forgot = True
        for text in (gone.text, gone.text[::-1], codecs.encode(gone.text, "rot13")):
            for at in range(0, len(text) - BLOCK + 1, BLOCK):
                block = text[at : at + BLOCK]
                left = [place for place in self._blocks.get(block, ()) if place[0] is not text and place[0] != text]
                if left:
                    self._blocks[block] = left
                else:
                    self._blocks.pop(block, None)
        for word in gone.words:
            self._words.pop(word, None)

    def of(self, arguments: Mapping[str, Any], tool: str = "") -> dict[str, frozenset[str]]:
        """For each argument with data from outside, its labels. ``tool`` lets what is sent in pieces, call by call, be put together;
        call it once for each call that is made."""
        found: dict[str, frozenset[str]] = {}
        pieces: list[tuple[str, str, bool]] = []
        for name, value in arguments.items():
            labels: frozenset[str] = frozenset()
            for text in (value,) if isinstance(value, str) else _texts(value):
                if len(text) < 4 and not self._forgot:
                    pieces.append((name, squash(text.lower()), False))
                    continue
                traced, squashed, near = self._labels_of(text)
                labels |= traced
                pieces.append((name, squashed, near))
            if labels:
                found[name] = labels
        if self._blocks:
            self._joined(tool, pieces, found)
        return found

    def _labels_of(self, text: str) -> tuple[frozenset[str], str, bool]:
        """The labels of one text, its letters and digits, and whether they share a block with anything."""
        known = self._answers.get(text)
        if known is None:
            known = self._trace(text)
            if len(text) <= 1_024:
                self._answers[text] = known
                if len(self._answers) > 2_048:
                    self._answers.popitem(last=False)
        return known

    def _trace(self, text: str) -> tuple[frozenset[str], str, bool]:
        found: frozenset[str] = frozenset()
        near = False
        whole = ""
        views = [text] if len(text) <= _CHUNK else [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK - 64)]
        read = decodings(text) if max(map(len, text.split()), default=0) >= 16 or _SPACED_HEX.search(text) else []
        for view in (*views, *read):
            folded = fold(view).text
            squashed = squash(folded)
            whole = whole or squashed
            labels, shares = self._blocks_in(squashed)
            found |= labels
            near = near or shares
            if self._words and len(folded) <= 512:
                found |= self._words_in(folded, squashed)
            if self._forgot and len(squashed) >= 4 and squashed not in self._trusted_squashed:
                found |= {FORGOTTEN}
        return found, whole, near

    def _words_in(self, folded: str, whole: str) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for word in {whole, *(squash(word) for word in _WORD.findall(folded) if not word.isalpha())}:
            labels = self._words.get(word)
            if labels and word not in self._trusted_squashed:
                found |= labels
        return found

    def _blocks_in(self, squashed: str) -> tuple[frozenset[str], bool]:
        """Labels of what ``squashed`` shares with something heard, and whether they share so much as a block."""
        slices = [squashed[at : at + BLOCK] for at in range(len(squashed) - BLOCK + 1)]
        if self._blocks.keys().isdisjoint(slices):
            return frozenset(), False
        return self._extend_all(squashed, slices, 0), True

    def _blocks_across(self, before: str, after: str, *, near: bool) -> tuple[frozenset[str], bool]:
        """Labels of what lies on both sides of a seam, and whether a block is there at all; ``near``: one that is wholly on one side
        may belong to it."""
        joined, seam = before + after, len(before)
        reach = SURE_CHARS if near else BLOCK - 1
        first = max(0, seam - reach)
        slices = [joined[at : at + BLOCK] for at in range(first, min(len(joined) - BLOCK + 1, seam + (reach if near else 0)))]
        if self._blocks.keys().isdisjoint(slices):
            return frozenset(), False
        return self._extend_all(joined, slices, first, seam), True

    def _extend_all(self, squashed: str, slices: list[str], first: int, seam: int | None = None) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for at, block in enumerate(slices, first):
            places = self._blocks.get(block)
            if places is None:
                continue
            for text, start, labels in places[:_MAX_PLACES]:
                if labels <= found:
                    continue
                low, high = _extend(squashed, at, text, start)
                if high - low < MIN_CHARS or (seam is not None and not low < seam < high):
                    continue
                if squashed[low:high] not in self._trusted_squashed:
                    found |= labels
            if len(places) > _MAX_PLACES and seam is None:
                # Said so often that not every place is compared: whoever fills a page with decoys gains nothing by it.
                for _, _, labels in places:
                    found |= labels
        return found

    def _joined(self, tool: str, pieces: list[tuple[str, str, bool]], found: dict[str, frozenset[str]]) -> None:
        before, before_near = "", False
        for name, piece, near in pieces:
            if not piece:
                continue
            start = piece[:_TAIL_CHARS]
            labels, shares = self._blocks_across(before, start, near=near or before_near) if before else (frozenset[str](), False)
            key = f"{tool}\x00{name}"
            tail = self._tails.get(key, "")
            if tail and not labels:
                labels, shares = self._blocks_across(tail, start, near=near or key in self._near_tails)
                labels = labels or self._encoded_across(tail, piece)
            if labels:
                found[name] = found.get(name, frozenset()) | labels
            if tool:
                self._tails[key] = (tail + piece)[-_TAIL_CHARS:]
                if near or shares:
                    self._near_tails.add(key)
                if len(self._tails) > 256:
                    oldest = next(iter(self._tails))
                    del self._tails[oldest]
                    self._near_tails.discard(oldest)
            before, before_near = (before + piece)[-_TAIL_CHARS:], before_near or near or shares

    def _encoded_across(self, tail: str, piece: str) -> frozenset[str]:
        """Hexadecimal survives being squashed; put together it may be read."""
        digits = tail + piece
        if len(piece) < 4 or not set(piece) <= set("0123456789abcdef"):
            return frozenset()
        start = len(digits) - len(digits.lstrip("".join(set(digits) - set("0123456789abcdef"))))
        found: frozenset[str] = frozenset()
        for decoded in decodings(digits[start:]) + decodings(digits[start + 1 :]):
            found |= self._blocks_in(squash(fold(decoded).text))[0]
        return found

    def traces(self, text: str) -> bool:
        """Whether all of ``text`` stands, as a word or words of its own, in what the principal, the program or a trusted tool said."""
        folded = fold(text)
        wanted = folded.text
        if not wanted:
            return True
        if folded.marks:  # An address that must be decoded to look right is not the one that was meant.
            return False
        return any(_stands_in(wanted, trusted) for trusted in self._trusted)

    def state(self) -> bytes:
        """All it knows, for `restore`."""
        return codec.encode(
            LabelsState(heard=tuple(self._heard), trusted=tuple(self._trusted), tails=dict(self._tails), forgot=self._forgot)
        )

    def restore(self, state: bytes) -> None:
        """Know what the labels knew whose `state` it is, and nothing else. Raises `BadInput`; then nothing has changed."""
        known = codec.decode(state, LabelsState)
        self._heard, self._blocks, self._words, self._chars = deque(), {}, {}, 0
        self._trusted = list(known.trusted)
        self._trusted_squashed = "".join(squash(text) + " " for text in known.trusted)
        self._tails, self._forgot = dict(known.tails), known.forgot
        self._near_tails = set(known.tails)
        self._answers.clear()
        for heard in known.heard:
            self._index(heard, frozenset(heard.labels))


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """Every text in ``value``, keys of maps included; numbers as they are written."""
    match value:
        case str():
            yield value
        case bool() | None | float():
            pass
        case int():
            if abs(value) >= 10_000:
                yield str(value) if abs(value) < 10**300 else hex(value)
        case bytes() | bytearray():
            yield value.decode("utf-8", "replace")
        case Mapping() if depth < 12:
            for key, item in cast(Mapping[object, object], value).items():
                yield from _texts(key, depth + 1)
                yield from _texts(item, depth + 1)
        case list() | tuple() | set() | frozenset() if depth < 12:
            for item in cast(Iterable[object], value):
                yield from _texts(item, depth + 1)
        case _:
            yield repr(value)


def _extend(left: str, at: int, right: str, start: int) -> tuple[int, int]:
    """From a block both have, how far they agree: from where to where in ``left``; at most 256 characters each way."""
    low = 0
    while low < 256 and at - low > 0 and start - low > 0 and left[at - low - 1] == right[start - low - 1]:
        low += 1
    high = BLOCK
    while high < 256 and at + high < len(left) and start + high < len(right) and left[at + high] == right[start + high]:
        high += 1
    return at - low, at + high


_INSIDE_WORD = frozenset("@_-%+/\\~")


def _stands_in(wanted: str, text: str) -> bool:
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not _goes_on(text, at - 1, at - 2) and not _goes_on(text, end, end + 1):
            return True
        at = text.find(wanted, at + 1)
    return False


def _goes_on(text: str, at: int, beyond: int) -> bool:
    """Whether a word goes on at ``at``: a dot or colon belongs to it if a letter or digit follows."""
    if not 0 <= at < len(text):
        return False
    character = text[at]
    if character.isalnum() or character in _INSIDE_WORD:
        return True
    return character in ".:" and 0 <= beyond < len(text) and text[beyond].isalnum()
