"""``bailiwick effects verify`` and ``anchor``: the proof that the record is whole, and what makes it stronger."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from bailiwick.bailiff import Settings, extent, load, read_ledger, vouch
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import print_json, when
from bailiwick.clock import SystemClock
from bailiwick.errors import BadInput, CorruptLedger, NotFound, Unavailable
from bailiwick.ledger import EMPTY, Anchored, Entry, Head, Place, Proof, SigningKey, as_line, can_sign, prove, read_public_key

MANY_ENTRIES = 100_000
"""From so many entries on, people are shown how far the walk is."""


@click.command()
@click.option("--anchors", "more", metavar="FILE", multiple=True, help="Compare with the anchors in FILE too, not only the setting's.")
@click.option(
    "--key", "keys", metavar="HEX|FILE", multiple=True, help="Only this key may have signed, and it must have. [default: the one in `home`]"
)
@click.option("--from", "first", metavar="SEQ", type=click.IntRange(min=1), help="Begin with the segment whose first entry this is.")
@home_option
@json_option
def verify(more: tuple[str, ...], keys: tuple[str, ...], first: int | None, home: str | None, as_json: bool) -> None:
    """Prove that the record is whole: the chain from the first entry to the last, its signatures, and the anchors kept elsewhere.

    The chain finds entries that were edited, moved, put in or lost; signatures find a chain that was computed anew; anchors find an
    end that was cut off. What nothing vouches for is said.

    \b
    Examples:
      bailiwick effects verify
      bailiwick effects verify --anchors /mnt/elsewhere/anchors.jsonl
      bailiwick effects verify --key 3b6a27bc… --json | jq .signed
      bailiwick effects verify --from 3000001     older segments were moved away
    """
    settings = load(home=home)
    start = EMPTY if first is None else _start(settings, first)
    beside = str(settings.anchor_path)
    places, problems = _anchors(settings, more)
    reader = read_ledger(settings)
    try:
        proof = prove(
            reader,
            keys=_keys(settings, keys),
            must_be_signed=bool(keys),
            anchors={name: held.attestations for name, held in (_noted(beside) | places).items()},
            watch=lambda entries: _shown(entries, reader.head().seq - start.seq),
            start=start,
        )
    except CorruptLedger as error:
        if as_json:
            print_json({"intact": False, "problem": error.message, **error.facts})
        raise
    finally:
        asyncio.run(reader.close())
    if as_json:
        print_json(_as_json(proof, places, problems) | ({"from": start.seq + 1} if start.seq else {}))
    else:
        if start.seq:
            click.echo(f"entries 1 to {start.seq} were not looked at; what follows them is as if they ended with {start.hash.hex()}")
        for line in _as_text(proof, places):
            click.echo(line)
    if problems:
        raise Unavailable("not compared with " + "; ".join(f"{name} ({problem})" for name, problem in problems.items()))


@click.command()
@click.option("--to", metavar="FILE", help="Put it at the end of FILE too, besides the places in the setting `anchors`.")
@home_option
@json_option
def anchor(to: str | None, home: str | None, as_json: bool) -> None:
    """Sign the record up to its end, and keep the signature elsewhere. With --json the anchor is printed as it stands in a file.

    \b
    Examples:
      bailiwick effects anchor --to /mnt/elsewhere/anchors.jsonl
      ssh lab bailiwick effects anchor --json >> anchors.jsonl
    """
    settings = load(home=home)
    places = [Place(name) for name in (*settings.anchors, *([to] if to else []))]
    vouched = asyncio.run(vouch(settings, places, SystemClock()))
    attestation = vouched.attestation
    if as_json:
        click.echo(as_line(attestation).decode())
    else:
        click.echo(f"signed up to entry {attestation.seq}, whose hash is {attestation.hash.hex()}, by key {attestation.key.hex()}")
        for place in places:
            if place.name not in vouched.problems:
                click.echo(f"anchored in {place.name}")
    if vouched.writer:
        click.echo(f"{vouched.writer} is writing the record, so this is its newest signature, not one over its end", err=True)
    if vouched.problems:
        raise Unavailable("not anchored in " + "; ".join(f"{name} ({problem})" for name, problem in vouched.problems.items()))


def _start(settings: Settings, first: int) -> Head:
    """What the segment that begins with entry ``first`` is chained to. Raises `NotFound`."""
    firsts = {segment.first: segment for segment in asyncio.run(extent(settings)).segments}
    if first not in firsts:
        raise NotFound(f"no segment begins with entry {first}; `bailiwick ledger status` shows where they begin")
    return Head(first - 1, firsts[first].chained_to)


def _anchors(settings: Settings, more: Iterable[str]) -> tuple[dict[str, Anchored], dict[str, str]]:
    """What the places hold, and why some cannot be read. Raises `NotFound` for a file that was named here and is not there."""
    held: dict[str, Anchored] = {}
    problems: dict[str, str] = {}
    for name in (*settings.anchors, *more):
        try:
            held[name] = Place(name).read()
        except FileNotFoundError:
            if name in more:
                raise NotFound(f"{name}: there are no anchors; `bailiwick effects anchor --to FILE` makes some") from None
            problems[name] = "there is no such file: is the disk mounted? `bailiwick effects anchor` puts a first one there"
        except OSError as error:
            problems[name] = error.strerror or str(error)
    return held, problems


def _noted(beside: str) -> dict[str, Anchored]:
    """What is noted beside the record, where anything is: no second place, but an older copy of the record shows by it."""
    try:
        return {beside: Place(beside).read()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Unavailable(f"{beside}: cannot be read ({error.strerror})", path=beside) from None


def _keys(settings: Settings, given: Iterable[str]) -> set[bytes]:
    """The keys that may have signed; none if nobody knows. Raises `NotFound` or `BadInput`."""
    named = {read_public_key(text) for text in given}
    if not can_sign():
        if named:
            raise BadInput("to check signatures by a key takes cryptography, which is not installed: pip install 'bailiwick[proof]'")
        return named
    if named:
        return named
    try:
        return {SigningKey.load(settings.key_path).public}
    except NotFound:
        return set()
    except BadInput as error:
        raise BadInput(f"{error.message}; to verify without it, name its public key with --key", **error.facts) from None


def _shown(entries: Iterator[Entry], length: int) -> Iterable[Entry]:
    """``entries``, with a bar on a terminal when there are many."""
    if length < MANY_ENTRIES or not sys.stderr.isatty():
        return entries
    return _with_bar(entries, length)


def _with_bar(entries: Iterator[Entry], length: int) -> Iterator[Entry]:
    with click.progressbar(length=length, label="verifying", file=sys.stderr, update_min_steps=10_000) as bar:
        for entry in entries:
            bar.update(1)
            yield entry


def _as_json(proof: Proof, places: dict[str, Anchored], problems: dict[str, str]) -> dict[str, Any]:
    newest = proof.newest
    return {
        "intact": True,
        "entries": proof.head.seq,
        "head": proof.head.hash.hex(),
        "signed": {
            "upto": newest.seq if newest else 0,
            "at_ns": newest.at_ns if newest else None,
            "signatures": proof.attestations,
            "checked": proof.checked,
            "keys": [key.hex() for key in proof.keys],
            "tail": proof.tail,
        },
        "anchored": {
            "upto": max((proof.anchored[name] for name in places), default=0),
            "places": [
                {"place": name, "upto": proof.anchored[name], "anchors": len(held.attestations), "unreadable": held.unreadable}
                for name, held in places.items()
            ],
            "problems": problems,
        },
        "erased": proof.erased,
        "unerased": list(proof.unerased),
    }


def _as_text(proof: Proof, places: dict[str, Anchored]) -> Iterator[str]:
    yield f"{proof.head.seq} entries, each one chained to the one before it; head {proof.head.hash.hex()}"
    newest = proof.newest
    keys = ", ".join(key.hex() for key in proof.keys)
    if newest is None:
        yield "not signed: " + (
            "a run signs as it goes, `bailiwick effects anchor` now" if proof.checked else "pip install 'bailiwick[proof]'"
        )
    elif proof.checked:
        yield f"signed up to entry {newest.seq}, at {when(newest.at_ns)} UTC, by {keys}"
    else:
        yield f"signed up to entry {newest.seq} by {keys}, which was not checked: pip install 'bailiwick[proof]'"
    if newest is not None and proof.tail:
        yield f"{proof.tail} entries since then are not signed yet"
    for name, held in places.items():
        yield f"anchored up to entry {proof.anchored[name]} in {name}" + (
            f"; {held.unreadable} of its lines are no anchors" if held.unreadable else ""
        )
    if not places:
        yield "not anchored: if the end was cut off, nothing here would show it; set `anchors`, or see `bailiwick effects anchor --help`"
    if proof.erased:
        yield f"{proof.erased} payloads were erased, as the record says"
    if proof.unerased:
        yield f"{len(proof.unerased)} payloads are there though the record says they were erased, the first at entry {proof.unerased[0]}"
