"""``bailiwick runs ls`` and ``show``: what was run, how it stands, and what it came to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import (
    brief,
    call,
    effect_as_json,
    given_to,
    print_json,
    print_table,
    printable,
    seconds,
    spent,
    value_of,
    when,
)
from bailiwick.clock import SystemClock
from bailiwick.effects import FREE, Cost, Effect, Kind
from bailiwick.ids import AgentId, RunId, agent_of, root_key, run_of

SHOWN_OPEN = 20


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the newest.")
@home_option
@json_option
def ls(limit: int, home: str | None, as_json: bool) -> None:
    """List the runs that people and programs started, the newest last.

    \b
    Examples:
      bailiwick runs ls
      bailiwick runs ls --json | jq '.[] | select(.state == "in doubt") | .run'
    """
    reading = Reading(home)
    trees = _trees(reading.effects.values())
    roots = reading.roots
    shown = [_summary(reading, root, trees[root_key(root.intent.id)]) for root in roots[-limit:]]
    if as_json:
        print_json(shown)
        return
    rows = [
        (
            row["run"],
            printable(row["name"]),
            row["state"],
            when(row["started_ns"]),
            seconds(row["took_s"]),
            str(row["effects"]),
            str(row["agents"]),
            spent(row["cost"]),
            printable(row["principal"] or ""),
        )
        for row in shown
    ]
    columns = ("run", "name", "state", "started", "took", "effects", "agents", "cost", "principal")
    print_table(columns, rows, empty="no run on record yet; `bailiwick run FILE` starts one")
    if len(roots) > limit:
        click.echo(f"{len(roots) - limit} older ones are not shown; raise --limit", err=True)


@click.command()
@click.argument("run", metavar="[RUN]", required=False)
@home_option
@json_option
def show(run: str | None, home: str | None, as_json: bool) -> None:
    """Show a run: how it stands, what was done in it and at what cost, what is open, and from where it would go on.

    RUN is a root, or a run inside one; its beginning or its end is enough. Default: the newest root.

    \b
    Examples:
      bailiwick runs show
      bailiwick runs show 3a9b0c66d1
    """
    reading = Reading(home, trees=trees_of(run))
    top = reading.run(run)
    inside = [kin.effect for kin in reading.causality.tree(top)]
    whole = reading.whole(top)
    summary = _summary(reading, top, inside) | {
        "arguments": given_to(whole),
        "value": value_of(whole),
        "failure": effect_as_json(whole, payloads=True)["failure"],
        "states": Counter(f"{effect.intent.kind} {reading.state(effect)}" for effect in inside[1:]),
        "tools": _by_tool(inside),
        "open": [
            effect_as_json(effect, payloads=False) | {"in_doubt": reading.in_doubt(effect)}
            for effect in inside[1:]
            if effect.outcome is None
        ],
        "seals": _seals(reading, top, inside),
    }
    if as_json:
        print_json(summary)
        return
    for name, text in _lines(reading, whole, summary):
        if text:
            click.echo(f"{name:<10} {text}")


def _summary(reading: Reading, top: Effect, inside: Sequence[Effect]) -> dict[str, Any]:
    root = reading.causality.line(top)[0].intent
    ended_ns = top.outcome.ended_ns if top.outcome is not None else 0
    return {
        "run": run_of(top.intent.id),
        "name": top.intent.tool,
        "state": _state(reading, top, inside),
        "started_ns": top.intent.at_ns,
        "ended_ns": ended_ns or None,
        "took_s": ((ended_ns or SystemClock().now_ns()) - top.intent.at_ns) / 1e9 if ended_ns or reading.is_written else None,
        "effects": len(inside),
        "agents": sum(effect.intent.kind is Kind.SPAWN for effect in inside),
        "cost": sum((effect.outcome.cost for effect in inside if effect.outcome is not None), FREE),
        "principal": root.principal or None,
        "grant": root.grant or None,
        "charter": root.charter or None,
        "code": top.intent.code or None,
    }


def _state(reading: Reading, top: Effect, inside: Iterable[Effect]) -> str:
    """How a run stands: as its outcome says; else ``in doubt`` if something in it must be settled first, ``under way`` if somebody may
    be running it, and ``interrupted`` if nobody is."""
    if top.outcome is not None:
        return top.state
    if any(reading.in_doubt(effect) for effect in inside):
        return "in doubt"
    return "under way" if reading.is_written else "interrupted"


def _trees(effects: Iterable[Effect]) -> dict[str, list[Effect]]:
    """Effects by the root they descend from."""
    found: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        found[root_key(effect.intent.id)].append(effect)
    return found


def _by_tool(inside: Iterable[Effect]) -> dict[str, dict[str, Any]]:
    calls: Counter[str] = Counter()
    costs: dict[str, Cost] = {}
    for effect in inside:
        if effect.intent.kind is Kind.TOOL:
            calls[effect.intent.tool] += 1
            costs[effect.intent.tool] = costs.get(effect.intent.tool, FREE) + (effect.outcome.cost if effect.outcome is not None else FREE)
    return {tool: {"calls": count, "cost": costs[tool]} for tool, count in calls.most_common()}


def _seals(reading: Reading, top: Effect, inside: Sequence[Effect]) -> list[dict[str, Any]]:
    """For every agent of the run: its newest seal, and how many effects of its own were asked for since."""
    names: dict[AgentId, str] = {top.intent.agent: "main"} if top.intent.kind is Kind.RUN else {}
    for effect in inside:
        if effect.intent.kind is Kind.SPAWN:
            names[agent_of(effect.intent.id)] = str(given_to(reading.whole(effect)).get("name", effect.intent.tool))
    since: Counter[str] = Counter()
    for effect in inside:
        sealed = reading.seals.get(effect.intent.agent)
        since[effect.intent.agent] += effect.seq > (sealed.seq if sealed is not None else 0)
    return [_seal(reading, agent, name, since[agent]) for agent, name in names.items()]


def _seal(reading: Reading, agent: AgentId, name: str, since: int) -> dict[str, Any]:
    sealed = reading.seals.get(agent)
    runs: dict[RunId, Any] = sealed.seal.runs if sealed is not None else {}
    return {
        "agent": agent,
        "name": name,
        "seq": sealed.seq if sealed is not None else None,
        "at_ns": sealed.seal.at_ns if sealed is not None else None,
        "effects_since": since,
        "goes_on": runs,
    }


def _lines(reading: Reading, top: Effect, summary: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run", summary["run"]
    yield "name", call(top, 200)
    yield "state", summary["state"] + _what_to_do(top, summary["state"])
    took = f", took {seconds(summary['took_s'])}" if summary["took_s"] is not None else ""
    yield "started", f"{when(summary['started_ns'])} UTC{took}"
    yield "principal", printable(summary["principal"] or "")
    yield "grant", summary["grant"] or ""
    yield "charter", summary["charter"] or ""
    yield "code", summary["code"] or ""
    yield "value", brief(summary["value"], 200) if summary["value"] is not None else ""
    yield "failure", printable(f"{summary['failure']['type']}: {summary['failure']['message']}") if summary["failure"] else ""
    yield "effects", f"{summary['effects']}: " + ", ".join(f"{count} {state}" for state, count in summary["states"].items())
    yield "cost", spent(summary["cost"])
    for tool, used in summary["tools"].items():
        yield "tool", f"{printable(tool)} × {used['calls']}" + (f", {spent(used['cost'])}" if spent(used["cost"]) else "")
    for row in summary["open"][:SHOWN_OPEN]:
        doubt = "in doubt" if row["in_doubt"] else "open"
        yield doubt, f"{row['id']} {row['kind']} {printable(row['tool'])}, {row['effect']}, asked {when(row['asked_ns'])}"
    if len(summary["open"]) > SHOWN_OPEN:
        yield "open", f"and {len(summary['open']) - SHOWN_OPEN} more"
    for seal in summary["seals"]:
        yield "agent", f"{printable(seal['name'])} {seal['agent']}, {_sealed(seal)}"


def _what_to_do(top: Effect, state: str) -> str:
    if state == "in doubt":
        return ": `bailiwick effects settle` what is in doubt, then resume"
    script = top.intent.tool.removeprefix("run:")
    return f": `bailiwick run {script} --resume` goes on" if state == "interrupted" and script != top.intent.tool else ""


def _sealed(seal: dict[str, Any]) -> str:
    if seal["seq"] is None:
        return f"not sealed, {seal['effects_since']} effects of its own"
    runs = f", {len(seal['goes_on'])} runs go on from there" if seal["goes_on"] else ""
    return f"sealed at entry {seal['seq']}, {seal['effects_since']} effects of its own since{runs}"
