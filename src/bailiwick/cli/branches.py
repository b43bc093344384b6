"""``bailiwick runs branches``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from bailiwick import codec
from bailiwick.bailiff import Branch, Recording, branch_named, go_live, load, load_charter, read_ledger, remove
from bailiwick.bailiff import branches as kept
from bailiwick.cli.drive import drive
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.replay import branched_as_json, main_of, said, tell
from bailiwick.cli.show import print_json, print_table, when
from bailiwick.clock import SystemClock
from bailiwick.errors import BadInput

EMPTY = "no branches; `bailiwick runs replay RUN --change … --live` makes one"


@click.command()
@click.option("--remove", "gone", metavar="ID", help="Delete the record of this branch.")
@click.option("--resume", "resumed", metavar="ID", help="Go on with this live branch, from its record.")
@click.option("--charter", metavar="TOML", type=click.Path(path_type=Path), help="With --resume: what the branch may do and spend.")
@home_option
@json_option
def branches(gone: str | None, resumed: str | None, charter: Path | None, home: str | None, as_json: bool) -> None:
    """List the live branches that `runs replay --change … --live` left, go on with one, or remove one.

    \b
    Examples:
      bailiwick runs branches
      bailiwick runs branches --resume brn_019a…
      bailiwick runs branches --remove brn_019a…
    """
    limits: dict[str, Any] = {}
    if charter is not None:
        limits["charter"], limits["budget"] = load_charter(charter)
    settings = load(home=home, **limits)
    if gone is not None and resumed is not None:
        raise BadInput("--remove or --resume, not both")
    if gone is not None:
        asyncio.run(remove(settings, gone))
        return
    if resumed is not None:
        branch = branch_named(settings, resumed)
        recording = Recording(read_ledger(settings), branch.run)
        work = go_live(settings, recording, main_of(branch.name), branch, SystemClock())
        branched = drive(work, f"bailiwick runs branches --resume {resumed}")
        print_json(branched_as_json(branched)) if as_json else tell(branched)
        return
    found = kept(settings)
    if as_json:
        print_json([_as_json(branch, state) for branch, state in found])
        return
    rows = [(branch.id, when(branch.at_ns), branch.run, str(branch.base_seq), _changes(branch), state) for branch, state in found]
    print_table(
        ("id", "when", "run", "from", "changed", "state"),
        rows,
        empty="no branches; `bailiwick runs replay RUN --change … --live` makes one",
    )


def _changes(branch: Branch) -> str:
    return ", ".join(f"{change.position}={said(change.value)}" for change in branch.changes)


def _as_json(branch: Branch, state: str) -> dict[str, Any]:
    return {
        "id": branch.id,
        "run": branch.run,
        "name": branch.name,
        "state": state,
        "base_seq": branch.base_seq,
        "base_hash": branch.base_hash.hex(),
        "seals_until": branch.seals_until,
        "who": branch.who,
        "at_ns": branch.at_ns,
        "changes": [{"run": change.run, "position": change.position, "value": codec.decode(change.value)} for change in branch.changes],
    }
