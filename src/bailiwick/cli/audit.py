"""``bailiwick charter audit``: a charter's envelopes on what is on record already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bailiwick.bailiff import Settings, load, load_charter, read_ledger
from bailiwick.charter import SafetyEnvelope, Violation, needs_labels, violations
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.show import print_json, printable
from bailiwick.effects import Record
from bailiwick.errors import BadInput, NotAllowed

LEDGER_FILE = "ledger.sqlite"


@click.command()
@click.argument("log", required=False, metavar="[LOG]")
@click.option("--charter", metavar="FILE", help="The charter whose envelopes are meant. [default: the one in the settings]")
@home_option
@json_option
def audit(log: str | None, charter: str | None, home: str | None, as_json: bool) -> None:
    """Say where the record leaves the envelopes of a charter: what they would have refused, what broke them, which answers did not come.

    LOG is a directory in which state lives, or the ledger's file in it. Envelopes that ask where data came from are left out: that is
    not on the record. What was refused is not held against anybody.

    \b
    Examples:
      bailiwick charter audit
      bailiwick charter audit --charter stricter.toml      before it is put in force
      bailiwick charter audit /mnt/archive/ledger.sqlite --json | jq '.violations[].effect'

    Exit code 0 if all hold, 3 if not.
    """
    if log is not None and home is not None:
        raise BadInput("give LOG or --home, not both: they say the same")
    settings = load(home=_home(log) if log is not None else home)
    envelopes = (load_charter(Path(charter))[0] if charter is not None else settings.charter).envelopes
    if not envelopes:
        raise BadInput(f"{charter or 'the charter in the settings'} has no envelopes; add [[envelopes]] with a `name` and a `property`")
    checked = [envelope for envelope in envelopes if not needs_labels(envelope)]
    left_out = [envelope.name for envelope in envelopes if needs_labels(envelope)]
    reading = _Numbered(settings)
    found: list[Violation] = []
    for violation in violations(reading, checked):
        found.append(violation)
        if not as_json:
            click.echo(f"{violation.seq}  {violation.effect}  {printable(violation.words)}")
    if as_json:
        print_json(_as_json(found, checked, left_out, reading.entries))
    else:
        click.echo(_summary(found, checked, reading.entries))
        for name in left_out:
            click.echo(f"`{name}` was not checked: it asks where data came from, which is not on the record", err=True)
    if found:
        raise NotAllowed(f"the record leaves {len({violation.envelope for violation in found})} of {len(checked)} envelopes")


class _Numbered:
    """The entries of a record, counted as they are read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.entries = 0

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        for entry in read_ledger(self._settings).entries():
            self.entries += 1
            yield entry.seq, entry.record


def _home(log: str) -> str:
    path = Path(log)
    if path.is_dir():
        return log
    if path.name != LEDGER_FILE:
        raise BadInput(f"{log}: give the directory in which state lives, or the `{LEDGER_FILE}` in it")
    return str(path.parent)


def _summary(found: list[Violation], checked: list[SafetyEnvelope], entries: int) -> str:
    if not found:
        return f"{entries} entries: all of {len(checked)} envelopes hold"
    counts = {envelope.name: sum(violation.envelope == envelope.name for violation in found) for envelope in checked}
    return f"{entries} entries: " + ", ".join(
        f"`{name}` is left {count} times" if count else f"`{name}` holds" for name, count in counts.items()
    )


def _as_json(found: list[Violation], checked: list[SafetyEnvelope], left_out: list[str], entries: int) -> dict[str, Any]:
    return {
        "entries": entries,
        "envelopes": [envelope.name for envelope in checked],
        "not_checked": left_out,
        "holds": not found,
        "violations": [violation._asdict() for violation in found],
    }
