"""``bailiwick ledger``: how the record is kept, and keeping it small."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import click

from bailiwick.bailiff import Vouching, extent, load, plan_compaction
from bailiwick.bailiff import rotate as put_aside
from bailiwick.cli.erase import agree_and_erase, as_dict, size
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import print_json, print_table, when
from bailiwick.cli.undo import moment
from bailiwick.clock import SystemClock
from bailiwick.errors import BadInput, LedgerUnavailable
from bailiwick.ledger import Segment

KEEP_DAYS = 30
"""How long what could be needed to take effects back is kept, unless somebody says otherwise."""


@click.group()
def ledger() -> None:
    """See how the record is kept, and keep it small.

    \b
    Examples:
      bailiwick ledger status
      bailiwick ledger compact --keep-days 90 --dry-run
    """


@ledger.command()
@home_option
@json_option
def status(home: str | None, as_json: bool) -> None:
    """Show the files of the record, the last of which is written, and how far it is signed.

    A full file is put aside as a segment (setting `segment_entries`). Segments may be moved away, such as to cheaper storage: what is
    in them is then missing until they are back, and everything else goes on.

    \b
    Examples:
      bailiwick ledger status
      bailiwick ledger status --json | jq '.segments[] | select(.bytes == null)'
    """
    found = asyncio.run(extent(load(home=home)))
    if as_json:
        print_json(
            {
                "entries": found.seq,
                "head": found.hash.hex(),
                "signed": None if found.vouching.newest is None else found.vouching.newest.seq,
                "anchored": found.vouching.anchored,
                "problems": found.vouching.problems,
                "segments": [_as_dict(segment) for segment in found.segments],
                "streams": [
                    {"name": name, "epoch": epoch, "entries": head.seq, "head": head.hash.hex()} for name, epoch, head in found.streams
                ],
            }
        )
        return
    rows = [
        (str(segment.first), str(segment.last), "not here" if segment.size_bytes is None else size(segment.size_bytes), str(segment.path))
        for segment in found.segments
    ]
    if found.streams:
        streams = [(stream.name, str(stream.head.seq), str(stream.epoch)) for stream in found.streams]
        print_table(("stream", "entries", "opened"), streams, empty="")
    else:
        print_table(("first", "last", "size", "file"), rows, empty="this record is not kept in files")
    click.echo(f"{found.seq} entries; head {found.hash.hex()}")
    for line in _vouched(found.vouching):
        click.echo(line)


@ledger.command()
@home_option
@json_option
def rotate(home: str | None, as_json: bool) -> None:
    """Put the file that is written aside as a segment, and go on in a new one. Nobody may be running meanwhile.

    \b
    Examples:
      bailiwick ledger rotate && mv ~/.local/state/bailiwick/ledger.segments/*.sqlite /mnt/archive/
    """
    settings = load(home=home)
    done = asyncio.run(put_aside(settings, SystemClock()))
    found = asyncio.run(extent(settings))
    if not done and found.segments[-1].last >= found.segments[-1].first:
        raise LedgerUnavailable(f"{settings.ledger_path}: is being read just now, and could not be put aside; say it again")
    if as_json:
        print_json({"rotated": done, "segments": [_as_dict(segment) for segment in found.segments]})
    elif done:
        segment = found.segments[-2]
        click.echo(f"entries {segment.first} to {segment.last} are in {segment.path}")
    else:
        click.echo("the file has no entries yet, and stays")


@ledger.command()
@click.option(
    "--keep-days", type=click.IntRange(min=0), help=f"Keep everything of runs that ended since so many days. [default: {KEEP_DAYS}]"
)
@click.option("--before", metavar="TIME", help="Keep everything of runs that ended since then: 12h, 90d, or 2026-02-28T09:30.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def compact(keep_days: int | None, before: str | None, dry_run: bool, yes: bool, home: str | None, as_json: bool) -> None:
    """Erase what runs that ended were given and returned: what can neither be resumed nor is to be taken back any more.

    That effects happened stays on record, and the chain holds; what they did can be taken back no more, and such runs cannot be gone
    through again. The newest state of each agent stays, and everything of runs that have not ended. Nobody may be running meanwhile.

    \b
    Examples:
      bailiwick ledger compact --dry-run
      bailiwick ledger compact --keep-days 90 --yes
      bailiwick ledger compact --before 2026-01-01 --json
    """
    if keep_days is not None and before is not None:
        raise BadInput("say --keep-days or --before, not both")
    now_ns = SystemClock().now_ns()
    days_ns = round(timedelta(days=KEEP_DAYS if keep_days is None else keep_days).total_seconds() * 1e9)
    before_ns = now_ns - days_ns if before is None else moment(before, "--before", now_ns)
    settings = load(home=home)
    found = asyncio.run(plan_compaction(settings, before_ns))
    why = f"compacted: ended before {when(before_ns)} UTC"
    erased = agree_and_erase(settings, found, why, dry_run=dry_run, yes=yes, quiet=as_json)
    if as_json:
        print_json(as_dict(found) | {"before_ns": before_ns, "erased": erased})
    elif erased:
        click.echo(f"{erased} payloads were erased")


def _vouched(vouching: Vouching) -> Iterator[str]:
    """How far it is signed and anchored."""
    if not vouching.possible:
        yield "signatures cannot be made or checked here: pip install 'bailiwick[proof]'"
    if vouching.newest is None:
        yield "no signature is on record" if not vouching.problems else "no signature was found"
    else:
        yield f"signed up to entry {vouching.newest.seq}" + (f"; {vouching.unsigned} entries since" if vouching.unsigned else "")
    yield from (f"anchored up to entry {seq} in {place}" for place, seq in vouching.anchored.items())
    yield from (f"{what} cannot be read: {problem}" for what, problem in vouching.problems.items())


def _as_dict(segment: Segment) -> dict[str, object]:
    return {"first": segment.first, "last": segment.last, "path": str(segment.path), "bytes": segment.size_bytes}
