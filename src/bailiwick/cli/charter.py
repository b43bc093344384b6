"""``bailiwick charter``: what agents may do, looked at and checked before anything runs."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import msgspec

from bailiwick import codec
from bailiwick.bailiff import amend as put_in_force
from bailiwick.bailiff import load, load_charter
from bailiwick.charter import (
    Charter,
    Compiled,
    Findings,
    Problem,
    compile_charter,
    find_conflicts,
    shown,
    verify,
)
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading
from bailiwick.cli.run import import_file
from bailiwick.cli.show import print_json, print_table, printable
from bailiwick.effects import Effect, Tool
from bailiwick.errors import BadInput, NotFound, Refused
from bailiwick.gateway import AMEND

COMMANDS = {"audit": ("bailiwick.cli.audit", "Hold a stored record against the envelopes of a charter.")}
FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))


class _Group(click.Group):
    """Imports what is kept in a file of its own when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Group)
def charter() -> None:
    """Look at what agents may do, and find what is wrong with it before anything runs.

    \b
    Examples:
      bailiwick charter check charter.toml
      bailiwick charter show fleet.toml site.toml agent.toml
    """


@charter.command()
@FILES
@click.option("--tools", "module", metavar="MODULE", help="A module, or a Python file, whose tools are all that there are.")
@json_option
def check(files: tuple[Path, ...], module: str | None, as_json: bool) -> None:
    """Verify charters, and find what in them disagrees, each time with a call that shows it.

    Several FILEs are laid over one another, outermost first: fleet, site, agent. With --tools, rules that cover no tool, arguments that no
    tool has and budgets that no tool fits are found too. What is reported is so; what is not may still be, because not every call
    that there could be is tried. Exit code 3 if there is a problem; notes are none.

    \b
    Examples:
      bailiwick charter check charter.toml
      bailiwick charter check fleet.toml site.toml agent.toml --tools my_lab.tools
      bailiwick charter check charter.toml --json | jq '.findings[] | select(.severity == "conflict")'
    """
    charters = [_read(file) for file in files]
    tools = None if module is None else _tools_in(module)
    problems = verify(*charters, tools=tools)
    findings = Findings((), 0, True) if problems else find_conflicts(compile_charter(*charters), tools=tools)
    if as_json:
        print_json(_as_dict(problems, findings))
    else:
        _print(problems, findings)
    wrong = len(problems) + len(findings.problems)
    if wrong:
        raise Refused(f"{wrong} problem{'s' if wrong > 1 else ''} in {', '.join(map(str, files))}")


@charter.command()
@FILES
@json_option
def show(files: tuple[Path, ...], as_json: bool) -> None:
    """Show the rules that hold where these charters are laid over one another, outermost first, by the ids that records name.

    \b
    Examples:
      bailiwick charter show charter.toml
      bailiwick charter show fleet.toml site.toml agent.toml --json | jq .digest
    """
    compiled = compile_charter(*(_read(file) for file in files))
    if as_json:
        print_json({"digest": compiled.digest, "rules": _rules(compiled), "budget": _set(compiled.budget)})
        return
    rows = [(rule["id"], rule["does"], rule["covers"], rule["reason"]) for rule in _rules(compiled)]
    print_table(("rule", "does", "covers", "why"), rows, empty="nothing is allowed")
    for envelope in compiled.envelopes:
        click.echo(f"envelope {printable(envelope.name)}: {printable(envelope.property)}")
    budget = ", ".join(f"{name} {value}" for name, value in _set(compiled.budget).items())
    click.echo(f"budget: {budget or 'no limits'}; digest {compiled.digest}")


def _read(file: Path) -> Charter:
    return load_charter(file)[0]


def _tools_in(module: str) -> list[Tool]:
    """The tools among the names of a module. Raises `NotFound` or `BadInput`."""
    try:
        found = import_file(Path(module)) if module.endswith(".py") else import_module(module)
    except ImportError as error:
        raise BadInput(f"--tools {module}: cannot be imported: {error}; give a module on Python's path, or a file") from None
    tools = [value for value in vars(found).values() if isinstance(value, Tool)]
    if not tools:
        raise BadInput(f"--tools {module}: has no tools; a tool is a function with @tool")
    return tools


def _print(problems: list[Problem], findings: Findings) -> None:
    for line in (*problems, *findings.found):
        click.echo(printable(str(line)))
    if not problems:
        scope = "every pair of rules" if findings.all_pairs else "pairs of rules that cover a tool in common"
        click.echo(f"{len(findings.problems)} problems; {scope} looked at, {findings.tried} calls tried")


def _as_dict(problems: list[Problem], findings: Findings) -> dict[str, Any]:
    return {
        "problems": [{"rule": problem.rule, "what": problem.what} for problem in problems],
        "findings": [
            {
                "severity": finding.severity.value,
                "rules": finding.rules,
                "what": finding.what,
                "witness": None if finding.witness is None else shown(finding.witness),
            }
            for finding in findings.found
        ],
        "tried": findings.tried,
        "all_pairs": findings.all_pairs,
    }


def _rules(compiled: Compiled) -> list[dict[str, Any]]:
    return [
        {
            "id": entry.id,
            "does": entry.role.value,
            "covers": str(entry.rule) if entry.rule is not None else f"{entry.pattern}, in Cedar",
            "reason": entry.reason,
        }
        for entry in compiled.entries
    ]


def _set(budget: msgspec.Struct) -> dict[str, Any]:
    """The limits that are set."""
    return {name: value for name, value in msgspec.structs.asdict(budget).items() if value not in (None, {})}


@charter.command()
@click.argument("file", metavar="FILE", required=False, type=click.Path(path_type=Path))
@click.option("--back", is_flag=True, help="Put the charter in force that the newest amendment took the place of.")
@click.option("--why", metavar="TEXT", default="", help="The reason. It stands on the record beside your name.")
@home_option
@json_option
def amend(file: Path | None, back: bool, why: str, home: str | None, as_json: bool) -> None:
    """Put the charter in FILE in force in the process that runs, at once and for every agent in it.

    It is checked first, and the charter in force has to allow `charter.amend`. Who goes on with the record later goes on under it, as
    long as the settings name the charter that it took the place of.

    \b
    Examples:
      bailiwick charter amend stricter.toml --why "the beam time is over"
      bailiwick charter amend --back
    """
    if (file is None) is not back:
        raise BadInput("say FILE or --back")
    wanted = load_charter(file)[0] if file is not None else _before(home)
    replaced = asyncio.run(put_in_force(load(home=home), wanted, why=why))
    if as_json:
        print_json(replaced)
    else:
        click.echo(f"{file if file is not None else 'the charter before'} is in force; `bailiwick charter amend --back` takes that back")


def _before(home: str | None) -> Charter:
    """What the newest amendment on record took the place of. Raises `NotFound`."""
    found: Effect | None = None
    reading = Reading(home)
    for effect in reading.effects.values():
        if effect.intent.tool == AMEND and effect.state == "done":
            found = effect
    outcome = reading.whole(found).outcome if found is not None else None
    if outcome is None:
        raise NotFound("the charter was never amended on this record")
    return codec.decode(outcome.value, Charter)
