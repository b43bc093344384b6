"""``bailiwick agents``: who is on record."""

from __future__ import annotations

from collections import Counter

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import records
from bailiwick.cli.show import given_to, print_json, print_table, when
from bailiwick.effects import Kind, fold
from bailiwick.ids import agent_of


@click.group()
def agents() -> None:
    """Look at agents.

    \b
    Examples:
      bailiwick agents ls
      bailiwick agents ls --json
    """


@agents.command()
@click.option("--run", "run", metavar="RUN", help="Only agents launched in this run.")
@home_option
@json_option
def ls(run: str | None, home: str | None, as_json: bool) -> None:
    """List the agents on record, in the order in which they were launched."""
    folded = fold(records(home))
    asked: Counter[str] = Counter()
    used: Counter[str] = Counter()
    last_ns: dict[str, int] = {}
    for effect in folded.values():
        intent = effect.intent
        used[intent.agent] += intent.kind is Kind.TOOL
        last_ns[intent.agent] = intent.at_ns
        if intent.target is not None:
            asked[intent.target] += 1
            last_ns[intent.target] = max(intent.at_ns, last_ns.get(intent.target, 0))
    found = [
        {
            "id": (agent := agent_of(effect.intent.id)),
            "name": given_to(effect).get("name", effect.intent.tool),
            "class": effect.intent.tool,
            "run": effect.intent.run,
            "state": effect.state,
            "asked": asked[agent],
            "effects": used[agent],
            "last_active_ns": last_ns.get(agent, effect.intent.at_ns),
        }
        for effect in folded.values()
        if effect.intent.kind is Kind.SPAWN and run in (None, effect.intent.run)
    ]
    if as_json:
        print_json(found)
        return
    shown = ("id", "name", "class", "asked", "effects")
    rows = [(*(str(row[column]) for column in shown), when(last_ns.get(str(row["id"]), 0))) for row in found]
    print_table(("id", "name", "class", "asked", "effects", "when"), rows, empty="no agents on record; `bailiwick demo` launches some")
