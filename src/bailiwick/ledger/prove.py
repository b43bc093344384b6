"""The proof: that the record fits its chain, the chain its signatures, and both what was kept elsewhere (invariant 8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bailiwick.effects import Attestation, Erasure
from bailiwick.errors import CorruptLedger
from bailiwick.ledger.attest import can_sign, check
from bailiwick.ledger.chain import EMPTY, Entry, Head, walk
from bailiwick.ledger.port import Ledger

CHECK_ENTRIES = 512
"""Of signatures closer together than this only the last is checked: it covers those before it. What they say, and by which key, is
checked of all. Where little is recorded every second entry may be a signature, and to check one takes as long as 25 entries."""

# A record begins with its tag. To look for that is ten times as fast as to decode every record on the way.
_TAG = b"attestation"
_TAG_ENDS = 24


class Proof(NamedTuple):
    """What `prove` found on a record that is whole."""

    head: Head
    attestations: int
    """How many signatures stand on the record."""
    newest: Attestation | None
    """The newest of them: everything up to its ``seq`` is signed."""
    tail: int
    """How many entries follow the newest signature: nothing but the chain vouches for them. All, where there is no signature."""
    keys: tuple[bytes, ...]
    """The public keys that signed, in the order in which they did so first."""
    checked: bool
    """Whether signatures were checked. False where the library for it is not installed: then they prove nothing."""
    anchored: Mapping[str, int]
    """By place: up to which entry it was found to agree; 0 where it holds nothing."""
    erased: int
    """How many payloads were taken out, each as an `Erasure` on record says."""
    unerased: tuple[int, ...]
    """Entries that an `Erasure` names and that still hold a payload: a crash came between, or somebody put it back."""


def prove(
    ledger: Ledger,
    *,
    keys: Collection[bytes] = (),
    must_be_signed: bool = False,
    anchors: Mapping[str, Sequence[Attestation]] | None = None,
    watch: Callable[[Iterator[Entry]], Iterable[Entry]] | None = None,
    start: Head = EMPTY,
) -> Proof:
    """Walk the whole record once, and compare it with what is known of it.

    ``keys`` are the public keys that may have signed; without any, those of the anchors, and without those any key will do, which
    proves little. Whoever takes all signatures out is found by ``must_be_signed``. ``anchors`` were read before, place by place;
    ``watch`` may look at the entries on their way. A record that is being written is taken as it is now. ``start``: nothing up to there
    is looked at, because it is not here; a signature after it vouches for the hash that is given, and nothing else does.

    Raises `CorruptLedger` naming the first entry that is not as it was: the chain is broken, a signature does not fit or is by another
    key or missing, a payload is gone that nobody put on record as erased, or an anchor says otherwise.
    """
    anchors = anchors or {}
    expected = frozenset(keys) or frozenset(anchor.key for held in anchors.values() for anchor in held)
    checked = can_sign()
    wanted = _wanted(anchors, expected, checked=checked)
    walked = _Walk(expected, {seq: held for seq, held in wanted.items() if seq >= start.seq}, start, checked=checked)
    entries = ledger.entries(start.seq)
    head = walked.through(watch(entries) if watch is not None else entries)
    if must_be_signed and not walked.signed:
        raise CorruptLedger(f"none of {head.seq} entries is signed: the signatures were taken out, or never made", entries=head.seq)
    walked.explain_erasures(ledger.entries(head.seq), head)
    compared = {place: [anchor.seq for anchor in held if anchor.seq >= start.seq] for place, held in anchors.items()}
    return walked.proof(head, {place: max(seqs, default=0) for place, seqs in compared.items()})


def newest_attestation(ledger: Ledger) -> Attestation | None:
    """The newest signature on record; None if there is none. Reads the record backwards until it has found one; checks nothing."""
    end, step = ledger.head().seq, 1_024
    while end > 0:
        start = max(0, end - step)
        newest: Attestation | None = None
        for entry in ledger.entries(start):
            if entry.seq > end:
                break
            record = entry.record if _TAG in entry.body[:_TAG_ENDS] else None
            if isinstance(record, Attestation):
                newest = record
        if newest is not None:
            return newest
        end, step = start, step * 2
    return None


def holds(ledger: Ledger, attestation: Attestation) -> bool:
    """Whether the entry it vouches for is on record with the same hash. Reads that entry only, and checks no signature."""
    for entry in ledger.entries(attestation.seq - 1):
        return (entry.seq, entry.hash) == (attestation.seq, attestation.hash)
    return False


class _Walk:
    """What is known of the record as far as the walk has come."""

    def __init__(self, expected: frozenset[bytes], wanted: dict[int, list[_Anchor]], start: Head, *, checked: bool) -> None:
        self._start = start
        self._expected = expected
        self._wanted = wanted
        self._checked = checked
        self._agreed_seq = 0
        self._signed_at = start.seq
        self._checked_at = -CHECK_ENTRIES
        self._newest: Attestation | None = None
        self._attestations = 0
        self._keys: dict[bytes, None] = {}
        self._carries = bytearray(start.seq + 1)
        """By number: whether the entry holds a payload."""
        self._taken: set[int] = set()
        self._named: set[int] = set()

    @property
    def signed(self) -> bool:
        """Whether there was a signature."""
        return self._newest is not None

    def through(self, entries: Iterable[Entry]) -> Head:
        """Where the chain ends. Everything is checked on the way."""
        seq, last_hash = self._start
        wanted, carries = self._wanted, self._carries
        if seq and seq in wanted:
            self._compare(seq, last_hash)
        for entry, record in walk(entries, self._start):
            if isinstance(record, Attestation):
                self._attested(record, entry.seq, Head(seq, last_hash))
            elif isinstance(record, Erasure):
                self._named.update(record.seqs)
            seq, last_hash = entry.seq, entry.hash
            carries.append(1 if entry.payload else 0)
            if entry.erased:
                self._taken.add(seq)
            if seq in wanted:
                self._compare(seq, last_hash)
        if self._newest is not None and self._checked_at != self._signed_at:
            self._check(self._newest, self._signed_at)
        if wanted and max(wanted) > seq:
            most = max(wanted)
            anchor = wanted[most][0]
            anchor.must_be_genuine(checked=self._checked)
            raise CorruptLedger(f"the end was cut off: {anchor.place} says {most} entries, there are {seq}", seq=seq + 1, entries=most)
        return Head(seq, last_hash)

    def explain_erasures(self, newer: Iterable[Entry], head: Head) -> None:
        """Find the erasure of each payload that is gone; one that was taken out during the walk is explained after its end."""
        if self._taken - self._named:
            for _, record in walk(newer, head):
                if isinstance(record, Erasure):
                    self._named.update(record.seqs)
        unexplained = self._taken - self._named
        if unexplained:
            seq = min(unexplained)
            raise CorruptLedger(f"the payload of entry {seq} was taken out, and no erasure on record says so", seq=seq)

    def proof(self, head: Head, anchored: dict[str, int]) -> Proof:
        """What was found."""
        return Proof(
            head=head,
            attestations=self._attestations,
            newest=self._newest,
            tail=head.seq - self._signed_at,
            keys=tuple(self._keys),
            checked=self._checked,
            anchored=anchored,
            erased=len(self._taken),
            unerased=tuple(seq for seq in sorted(self._named) if 0 < seq <= head.seq and self._carries[seq]),
        )

    def _attested(self, attestation: Attestation, at: int, before: Head) -> None:
        if (attestation.seq, attestation.hash) != before:
            raise CorruptLedger(f"entry {at} signs another history than the one it stands in", seq=at)
        _must_be_expected(attestation, self._expected, f"entry {at}", at)
        if at - self._checked_at >= CHECK_ENTRIES:
            self._check(attestation, at)
        self._newest, self._signed_at = attestation, at
        self._attestations += 1
        self._keys[attestation.key] = None

    def _check(self, attestation: Attestation, at: int) -> None:
        self._checked_at = at
        if self._checked:
            _must_be_genuine(attestation, f"entry {at}", at)

    def _compare(self, seq: int, found: bytes) -> None:
        for anchor in self._wanted[seq]:
            if anchor.attestation.hash != found:
                anchor.must_be_genuine(checked=self._checked)
                since = f"after entry {self._agreed_seq} and before entry {seq + 1}" if self._agreed_seq else f"before entry {seq + 1}"
                raise CorruptLedger(
                    f"history was rewritten {since}: {anchor.place} has another hash for entry {seq}", seq=seq, agreed=self._agreed_seq
                )
        self._agreed_seq = seq


class _Anchor(NamedTuple):
    place: str
    attestation: Attestation

    def must_be_genuine(self, *, checked: bool) -> None:
        if checked:
            _must_be_genuine(self.attestation, self.name, self.attestation.seq)

    @property
    def name(self) -> str:
        return f"the anchor for entry {self.attestation.seq} in {self.place}"


def _wanted(anchors: Mapping[str, Sequence[Attestation]], expected: frozenset[bytes], *, checked: bool) -> dict[int, list[_Anchor]]:
    """What must be found, by number. One signature for each key and place is checked here, the others where they do not agree."""
    wanted: dict[int, list[_Anchor]] = {}
    for place, held in anchors.items():
        newest: dict[bytes, _Anchor] = {}
        for attestation in held:
            anchor = _Anchor(place, attestation)
            _must_be_expected(attestation, expected, anchor.name, attestation.seq)
            wanted.setdefault(attestation.seq, []).append(anchor)
            newest[attestation.key] = anchor
        for anchor in newest.values():
            anchor.must_be_genuine(checked=checked)
    return wanted


def _must_be_expected(attestation: Attestation, expected: frozenset[bytes], what: str, seq: int) -> None:
    if expected and attestation.key not in expected:
        raise CorruptLedger(
            f"{what} is signed by another key than expected: {attestation.key.hex()}. If that was a key of this record before, name both "
            "with --key",
            seq=seq,
            key=attestation.key.hex(),
        )


def _must_be_genuine(attestation: Attestation, what: str, seq: int) -> None:
    try:
        check(attestation)
    except CorruptLedger as error:
        raise CorruptLedger(f"{what} is forged: {error.message}", seq=seq) from None
