"""``bailiwick effects export``: the record for other programs, an effect a line, or as W3C PROV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from bailiwick import codec
from bailiwick.cli.options import home_option
from bailiwick.cli.provenance import provenance
from bailiwick.cli.reading import Reading, each_when_it_ended, trees_of
from bailiwick.cli.show import effect_as_json
from bailiwick.effects import FREE, Effect
from bailiwick.errors import BadInput, NotFound

FORMATS = ("jsonl", "csv", "prov")
SPENT = ("cpu_s", "wall_s", "tokens", "usd", "sent_bytes")


@click.command()
@click.option("--run", "run", metavar="RUN", help="Only the tree of runs that this id belongs to.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="How it is written.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write to FILE. [default: standard output]")
@click.option("--no-payloads", is_flag=True, help="Without arguments, values and failures.")
@home_option
def export(run: str | None, form: str, out: Path | None, no_payloads: bool, home: str | None) -> None:
    """Write effects out: jsonl has one effect a line, as `effects show --json` prints it; csv is the same, flat; prov is W3C PROV-JSON.

    In jsonl and csv effects stand in the order in which they ended, and what is open comes last. An effect that was undone stands
    before the one that undid it, whose `undoes` names it.

    \b
    Examples:
      bailiwick effects export --out effects.jsonl
      bailiwick effects export --format csv --no-payloads | column -ts,
      bailiwick effects export --run run_019a… --format prov --out run.provn.json
    """
    with _opened(out) as file:
        if form == "prov":
            reading = Reading(home, trees=_trees(home, run), payloads=not no_payloads)
            for part in provenance(reading.effects, payloads=not no_payloads):
                file.write(part)
            return
        effects = each_when_it_ended(home, _trees(home, run), payloads=not no_payloads)
        if form == "jsonl":
            _write_lines(file, effects, payloads=not no_payloads)
        else:
            _write_table(file, effects, payloads=not no_payloads)


def flat(effect: Effect, *, payloads: bool) -> dict[str, Any]:
    """An effect as one row: costs in columns, lists of ids with blanks in between, what is nested as JSON, absent as empty."""
    row = effect_as_json(effect, payloads=payloads)
    cost = row.pop("cost") or FREE
    row |= {name: getattr(cost, name) for name in SPENT}
    row["caused_by"] = " ".join(row["caused_by"])
    for name in ("settlement", "arguments", "value", "failure", "attempts", "erased"):
        if name in row:
            row[name] = "" if row[name] is None else codec.to_json(row[name])
    return {name: "" if value is None else value for name, value in row.items()}


def _trees(home: str | None, run: str | None) -> list[str]:
    """The tree that ``run`` names; none for all. An id that is given in full need not be looked for."""
    if run is None:
        return []
    found = Reading(home, trees=trees_of(run)).named(run)
    return [found.intent.id]


def _write_lines(file: IO[str], effects: Iterable[Effect], *, payloads: bool) -> None:
    for effect in effects:
        file.write(f"{codec.to_json(effect_as_json(effect, payloads=payloads))}\n")


def _write_table(file: IO[str], effects: Iterable[Effect], *, payloads: bool) -> None:
    table: csv.DictWriter[str] | None = None
    for effect in effects:
        row = flat(effect, payloads=payloads)
        if table is None:
            table = csv.DictWriter(file, row.keys(), lineterminator="\n")
            table.writeheader()
        table.writerow(row)


@contextmanager
def _opened(out: Path | None) -> Generator[IO[str]]:
    """The file to write; standard output if none is named. Raises `BadInput` if it cannot be written, `NotFound` without its folder."""
    if out is None:
        yield sys.stdout
        return
    try:
        with out.open("w", encoding="utf-8", newline="") as file:
            yield file
    except FileNotFoundError:
        raise NotFound(f"{out}: there is no such folder") from None
    except OSError as error:
        raise BadInput(f"{out}: cannot be written: {error.strerror}") from error
