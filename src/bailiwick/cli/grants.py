"""``bailiwick grants``: who was granted what by whom, and taking it back."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import msgspec

from bailiwick import codec
from bailiwick.bailiff import load
from bailiwick.bailiff import revoke as put_on_record
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, records, trees_of
from bailiwick.cli.show import given_to, print_json, print_table, printable, terms_of, when
from bailiwick.clock import SystemClock
from bailiwick.effects import Effect, Kind, Revocation
from bailiwick.errors import BadInput, NotFound, NotGranted
from bailiwick.grants import Token, grants_in
from bailiwick.ids import agent_of

_BLOCK_DIGITS = 128


@click.group()
def grants() -> None:
    """See who may ask for what, and take it back.

    \b
    Examples:
      bailiwick grants tree
      bailiwick grants show grt_019a…
      bailiwick grants revoke grt_019a… --why "the laptop was lost"
    """


class Holding(NamedTuple):
    """One agent and what it holds, as far as the record says so."""

    branch: str
    """The lines that lead to it."""
    agent: str
    name: str
    grant: str
    """The grant's id: its own, or that of whoever launched it where it has none."""
    own: bool
    narrowed: Mapping[str, object]
    """In what it is narrower than the one it comes from, where the launch says so."""
    above: str
    effect: Effect
    revoked: Revocation | None
    """Who took it back, or one that it comes from."""


@grants.command()
@click.argument("run", metavar="[RUN]", required=False)
@home_option
@json_option
def tree(run: str | None, home: str | None, as_json: bool) -> None:
    """Show the grants in the tree of RUN, each below the one it comes from. Default: the newest run.

    An agent that was launched without a grant of its own acts under that of whoever launched it.

    \b
    Examples:
      bailiwick grants tree
      bailiwick grants tree run_019a… --json | jq '.[] | select(.revoked) | .agent'
    """
    reading = Reading(home, trees=trees_of(run))
    top = reading.run(None) if run is None else reading.causality.line(reading.named(run))[0]
    shown = list(holdings(reading, top, _revocations(home)))
    if as_json:
        print_json([_as_json(holding) for holding in shown])
        return
    rows = [(f"{held.branch}{printable(held.name)}", held.grant or "none on record", _from(held), _gone(held)) for held in shown]
    print_table(("agent", "grant", "narrowed to", ""), rows, empty="nothing is on record")


@grants.command()
@click.argument("what", metavar="ID|FILE")
@home_option
@json_option
def show(what: str, home: str | None, as_json: bool) -> None:
    """Show one grant: ID is its id, or that of the agent that holds it. Or show what the token in FILE says, which proves nothing.

    \b
    Examples:
      bailiwick grants show grt_019a…
      bailiwick grants show agt_019a… --json
      bailiwick grants show scout.token
    """
    if Path(what).is_file():
        _show_token(Path(what), as_json=as_json)
        return
    holding = _found(Reading(home), home, what)
    if as_json:
        print_json(_as_json(holding))
        return
    intent = holding.effect.intent
    lines = {
        "grant": holding.grant or "none on record",
        "agent": holding.agent,
        "name": holding.name,
        "from": holding.above or intent.principal,
        "narrowed to": _words(holding.narrowed),
        "charter": intent.charter,
        "since": when(intent.at_ns),
        "revoked": f"{when(holding.revoked.at_ns)} by {holding.revoked.who}: {holding.revoked.why}" if holding.revoked is not None else "",
    }
    for name, value in lines.items():
        if value:
            click.echo(f"{name:<12} {printable(str(value))}")


@grants.command()
@click.argument("what", metavar="[ID]", required=False)
@click.option("--agent", metavar="AGENT", help="Whatever this agent holds or has handed on, in any epoch.")
@click.option("--why", default="", help="For the record.")
@home_option
@json_option
def revoke(what: str | None, agent: str | None, why: str, home: str | None, as_json: bool) -> None:
    """Take back the grant ID with all that comes from it: nothing is done under it any more, once this returns.

    ID is the id of a grant, or the revocation id of a token's block as `grants show FILE` prints it.

    \b
    Examples:
      bailiwick grants revoke grt_019a… --why "the laptop was lost"
      bailiwick grants revoke --agent agt_019a…
    """
    if (what is None) == (agent is None):
        raise BadInput("say what to revoke: an ID, or --agent AGENT; `bailiwick grants tree` lists them")
    if agent is not None:
        record = Revocation(agent=_found(Reading(home), home, agent).agent, why=why)
    elif len(what or "") == _BLOCK_DIGITS:
        record = Revocation(block=(what or "").lower(), why=why)
    else:
        holding = _found(Reading(home), home, what or "")
        if not holding.own:
            raise BadInput(f"{holding.agent} has no grant of its own: say --agent {holding.agent}")
        record = Revocation(grant=holding.grant, why=why)
    made = asyncio.run(put_on_record(load(home=home), record, clock=SystemClock()))
    if as_json:
        print_json(made)
    else:
        click.echo(f"revoked: {made.grant or made.agent or made.block}, with all that comes from it")


def holdings(reading: Reading, top: Effect, revocations: list[Revocation]) -> Iterator[Holding]:
    """Of the run that ``top`` began, and each agent launched in it, each after who launched it."""
    launches: dict[str, list[Effect]] = {}
    for kin in reading.causality.tree(top):
        if kin.effect.intent.kind is Kind.SPAWN:
            launches.setdefault(kin.effect.intent.agent, []).append(kin.effect)
    intent = top.intent
    by_name = {name: record for record in revocations for name in (record.grant, record.agent) if name}
    gone = by_name.get(intent.grant) or by_name.get(intent.agent)
    root = Holding("", intent.agent, intent.tool, intent.grant, bool(intent.grant), {}, "", top, gone)
    yield root
    unread = [(launch, root, launch is launches[root.agent][-1], "") for launch in reversed(launches.get(root.agent, ()))]
    while unread:
        launch, above, is_last, margin = unread.pop()
        agent, given = agent_of(launch.intent.id), given_to(reading.whole(launch))
        grant = launch.intent.grant
        narrowed = terms_of(given).get("grant")
        holding = Holding(
            f"{margin}{'└─ ' if is_last else '├─ '}",
            agent,
            str(given.get("name") or launch.intent.tool),
            grant or above.grant,
            bool(grant),
            cast("dict[str, object]", narrowed) if isinstance(narrowed, dict) else {},
            above.agent,
            launch,
            by_name.get(grant) or by_name.get(agent) or above.revoked,
        )
        yield holding
        below = f"{margin}{'   ' if is_last else '│  '}"
        unread += [(inside, holding, inside is launches[agent][-1], below) for inside in reversed(launches.get(agent, ()))]


def _found(reading: Reading, home: str | None, text: str) -> Holding:
    """The holding whose grant or agent has an id that begins or ends with ``text``. Raises `NotFound`, `BadInput` if there are several."""
    revocations = _revocations(home)
    found: dict[str, Holding] = {}
    for root in reading.roots:
        for holding in holdings(reading, root, revocations):
            names = (holding.agent, holding.grant if holding.own else "")
            if text and any(name.startswith(text) or name.endswith(text) for name in names if name):
                found[holding.agent] = holding
    if not found:
        raise NotFound(f"no grant or agent on record has an id that begins or ends with {text}; `bailiwick grants tree` lists them")
    if len(found) > 1:
        raise BadInput(f"{len(found)} grants or agents have ids that begin or end with {text}: give more of it")
    return next(iter(found.values()))


def _revocations(home: str | None) -> list[Revocation]:
    return [found for _, record in records(home) if isinstance(found := cast(object, record), Revocation)]


def _show_token(path: Path, *, as_json: bool) -> None:
    data = path.read_bytes()
    with suppress(UnicodeDecodeError, binascii.Error):  # Then it is not text, but the token itself.
        data = base64.urlsafe_b64decode(data.decode("ascii").strip())
    token = Token(data)
    try:
        chain = grants_in(token)
    except NotGranted as error:
        raise BadInput(f"{path}: {error.message}") from None
    said = {"unproven": True, "sha256": token.digest, "revocation_ids": token.revocation_ids, "grants": chain}
    if as_json:
        print_json(said)
        return
    click.echo("what it says of itself; whether the principal made it is not checked here")
    for block in token.revocation_ids:
        click.echo(f"block        {block}")
    for grant in chain:
        click.echo(f"{grant.id:<12} {printable(codec.to_json(grant))}")


def _from(holding: Holding) -> str:
    if not holding.above:
        return f"given by {holding.effect.intent.principal or 'nobody on record'}"
    return _words(holding.narrowed) if holding.own else "as above"


def _gone(holding: Holding) -> str:
    return f"revoked {when(holding.revoked.at_ns)} by {holding.revoked.who}" if holding.revoked is not None else ""


def _words(narrowed: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {codec.to_json(value)}" for name, value in narrowed.items())


def _as_json(holding: Holding) -> dict[str, Any]:
    intent = holding.effect.intent
    return {
        "agent": holding.agent,
        "name": holding.name,
        "above": holding.above or None,
        "grant": holding.grant or None,
        "own": holding.own,
        "narrowed": holding.narrowed,
        "principal": intent.principal or None,
        "state": holding.effect.state,
        "at_ns": intent.at_ns,
        "revoked": msgspec.structs.asdict(holding.revoked) if holding.revoked is not None else None,
    }
