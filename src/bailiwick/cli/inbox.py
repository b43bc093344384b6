"""``bailiwick inbox``: what waits for people, and what they say of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import click
import msgspec

from bailiwick import codec
from bailiwick.bailiff import Settings, case_of, decide, load, pending
from bailiwick.cli.card import as_json as case_as_json
from bailiwick.cli.card import card, given, left, line, table
from bailiwick.cli.finding import Finder, import_option
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import brief, print_json
from bailiwick.clock import SystemClock
from bailiwick.effects import EffectClass, Intent, Ruling, RulingVerdict
from bailiwick.errors import BadInput, BailiwickError, NotFound
from bailiwick.gateway import MOST_AT_ONCE, Case, Ruled

F = TypeVar("F", bound=Callable[..., Any])
EVERY = timedelta(seconds=1)


@click.group(invoke_without_command=True)
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@home_option
@json_option
@click.pass_context
def inbox(ctx: click.Context, watch: bool, home: str | None, as_json: bool) -> None:
    """List what waits for people to decide, and decide on it; also while nothing runs.

    \b
    Examples:
      bailiwick inbox
      bailiwick inbox show 7f3a90
      bailiwick inbox approve 7f3a90 --why "the invoice is in order"
      bailiwick inbox modify 7f3a90 --arguments '{"amount": 50}'
      bailiwick inbox reject 7f3a90 --why "paid last week"
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = home
        return
    settings = load(home=home)
    if not watch:
        _list(settings, as_json)
        return
    asyncio.run(_watch(settings, as_json))


async def _watch(settings: Settings, as_json: bool) -> None:
    clock = SystemClock()
    while True:
        cases = await _cases(settings)
        if not as_json:
            click.clear()
        _print(cases, as_json)
        await clock.sleep(EVERY)


def _list(settings: Settings, as_json: bool) -> None:
    _print(asyncio.run(_cases(settings)), as_json)


def _print(cases: Sequence[Case], as_json: bool) -> None:
    now_ns = SystemClock().now_ns()
    if as_json:
        print_json([case_as_json(case, now_ns) for case in cases])
    else:
        table(cases, now_ns)


async def _cases(settings: Settings) -> list[Case]:
    return [case_of(found) for found in await pending(settings)]


def _named(settings: Settings, text: str) -> Case:
    """The one that waits and whose id begins or ends with ``text``. Raises `NotFound`, `BadInput`."""
    digits = text.removeprefix("eff_")
    cases = asyncio.run(_cases(settings))
    ids = {case.newest.id: case for case in cases}
    found = [case for effect, case in ids.items() if digits and (effect.startswith(digits, 4) or effect.endswith(digits))]
    if not found:
        raise NotFound(f"nothing waits whose id begins or ends with {text}; `bailiwick inbox` lists what does")
    if len(found) > 1:
        raise BadInput(f"{len(found)} that wait have ids that begin or end with {text}: give more of it")
    return found[0]


def _of_parent(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    return value if value is not None else ctx.obj


def _decides(command: F) -> F:
    """What every command takes that decides."""
    command = click.option("--yes", is_flag=True, help="Do not ask.")(command)
    command = click.option("--home", metavar="DIR", callback=_of_parent, default=None, help="Where state lives, as everywhere.")(command)
    return json_option(command)


@inbox.command()
@click.argument("effect_id", metavar="ID")
@click.option("--home", metavar="DIR", callback=_of_parent, default=None, help="Where state lives, as everywhere.")
@json_option
def show(effect_id: str, home: str | None, as_json: bool) -> None:
    """Show one that waits, whole: exact arguments, why it is asked, what was decided on its like, what happens if nobody decides.

    \b
    Examples:
      bailiwick inbox show 7f3a90
      bailiwick inbox show 7f3a90 --json | jq .arguments
    """
    settings = load(home=home)
    case = _named(settings, effect_id)
    now_ns = SystemClock().now_ns()
    if as_json:
        print_json(case_as_json(case, now_ns))
        return
    past = Reading(settings.home).effects.values()
    for name, value in card(case, past, now_ns):
        click.echo(line(name, value))


@inbox.command()
@click.argument("effect_id", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="All that can be taken back, of one tool.")
@click.option("--tool", metavar="NAME", help="With --all: of this tool.")
@click.option("--why", metavar="TEXT", default="", help="It stands on the record beside your name.")
@_decides
def approve(effect_id: str | None, every: bool, tool: str | None, why: str, home: str | None, yes: bool, as_json: bool) -> None:
    """Let it happen: exactly this, once. Several at once only of what can be taken back.

    \b
    Examples:
      bailiwick inbox approve 7f3a90
      bailiwick inbox approve --all --tool write_file --why "only the scratch folder"
    """
    if every == (effect_id is not None) or every != (tool is not None):
        raise BadInput("nothing was recorded: say one ID, or --all with --tool NAME")
    settings = load(home=home)
    cases = [_named(settings, effect_id)] if effect_id is not None else _all_of(settings, str(tool))
    _rule(settings, cases, RulingVerdict.APPROVE, why, yes=yes, as_json=as_json)


@inbox.command()
@click.argument("effect_id", metavar="ID")
@click.option("--arguments", "text", metavar="JSON", required=True, help="The arguments to change, by name; the others stay.")
@click.option("--why", metavar="TEXT", default="", help="It stands on the record beside your name.")
@import_option
@_decides
def modify(effect_id: str, text: str, why: str, imports: tuple[str, ...], home: str | None, yes: bool, as_json: bool) -> None:
    """Let it happen with other arguments. The charter is asked again, the others who have to agree are too, and the agent sees it.

    \b
    Examples:
      bailiwick inbox modify 7f3a90 --arguments '{"amount": 50}' --why "half now"
    """
    settings = load(home=home)
    case = _named(settings, effect_id)
    changed = _changed(case, text)
    _check_fit(settings, case.newest.intent, changed, imports)
    _rule(settings, [case], RulingVerdict.MODIFY, why, yes=yes, as_json=as_json, arguments=changed)


@inbox.command()
@click.argument("effect_id", metavar="ID")
@click.option("--why", metavar="TEXT", required=True, help="The agent is told.")
@_decides
def reject(effect_id: str, why: str, home: str | None, yes: bool, as_json: bool) -> None:
    """Do not let it happen. Its run is told why, and goes on.

    \b
    Examples:
      bailiwick inbox reject 7f3a90 --why "paid last week"
    """
    settings = load(home=home)
    _rule(settings, [_named(settings, effect_id)], RulingVerdict.REJECT, why, yes=yes, as_json=as_json)


@inbox.command()
@click.argument("effect_id", metavar="ID")
@click.option("--why", metavar="TEXT", default="", help="It stands on the record beside your name.")
@_decides
def escalate(effect_id: str, why: str, home: str | None, yes: bool, as_json: bool) -> None:
    """Pass it on: those whom the charter names above may decide as well, from now on.

    \b
    Examples:
      bailiwick inbox escalate 7f3a90 --why "too much for me"
    """
    settings = load(home=home)
    _rule(settings, [_named(settings, effect_id)], RulingVerdict.ESCALATE, why, yes=yes, as_json=as_json)


@inbox.command()
@click.argument("effect_id", metavar="ID")
@click.option("--why", metavar="TEXT", required=True, help="It stands on the record beside your name.")
@_decides
def terminate(effect_id: str, why: str, home: str | None, yes: bool, as_json: bool) -> None:
    """Do not let it happen, and end the run that asks: it does nothing any more.

    \b
    Examples:
      bailiwick inbox terminate 7f3a90 --why "it does not do what it was asked to"
    """
    settings = load(home=home)
    _rule(settings, [_named(settings, effect_id)], RulingVerdict.TERMINATE, why, yes=yes, as_json=as_json)


def _all_of(settings: Settings, tool: str) -> list[Case]:
    """What waits of ``tool`` and may be decided on together. Raises `NotFound`, `BadInput`."""
    cases = [case for case in asyncio.run(_cases(settings)) if case.newest.intent.tool == tool]
    if not cases:
        raise NotFound(f"nothing of `{tool}` waits; `bailiwick inbox` lists what does")
    single = [case.newest.id for case in cases if case.newest.intent.effect is EffectClass.IRREVERSIBLE or case.newest.plan]
    if single:
        raise BadInput(f"nothing was recorded: `{tool}` cannot be taken back; approve one by one: {single[0]}")
    if len(cases) > MOST_AT_ONCE:
        click.echo(f"{len(cases)} wait; these are the {MOST_AT_ONCE} oldest", err=True)
    return cases[:MOST_AT_ONCE]


def _changed(case: Case, text: str) -> bytes:
    try:
        changes = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadInput(f"nothing was recorded: --arguments {text}: {error}; give a JSON object") from None
    now = given(case.newest.intent)
    if unknown := changes.keys() - now.keys():
        click.echo(f"not given before: {', '.join(sorted(unknown))}", err=True)
    return codec.encode(now | changes)


def _check_fit(settings: Settings, intent: Intent, arguments: bytes, imports: Sequence[str]) -> None:
    """Whether the tool takes these. Raises `BadInput`; where its code is not here, it is checked before anything is done."""
    try:
        tool = Finder(Reading(settings.home, trees=trees_of(intent.id)).effects, imports).tool(intent)
    except BailiwickError as error:
        click.echo(f"the arguments are not checked here: {error.message}", err=True)
        return
    try:
        tool.signature.unpack(arguments)
    except BadInput as error:
        raise BadInput(f"nothing was recorded: {error.message}") from None


def _rule(
    settings: Settings, cases: Sequence[Case], verdict: RulingVerdict, why: str, *, yes: bool, as_json: bool, arguments: bytes = b""
) -> None:
    now_ns = SystemClock().now_ns()
    if not yes:
        _ask(cases, verdict, arguments, now_ns)
    rulings = [
        Ruling(
            id=case.newest.id,
            action=case.newest.action,
            charter=case.newest.charter,
            number=case.newest.number,
            who=settings.principal,
            verdict=verdict,
            arguments=arguments,
            why=why,
        )
        for case in cases
    ]
    done = asyncio.run(decide(settings, rulings, clock=SystemClock()))
    if as_json:
        print_json(done)
        return
    for case, ruled in zip(cases, done, strict=True):
        click.echo(_said(settings, case, ruled, verdict))


def _ask(cases: Sequence[Case], verdict: RulingVerdict, arguments: bytes, now_ns: int) -> None:
    if not sys.stdin.isatty():
        raise BadInput("nothing was recorded: there is nobody here to ask; say --yes")
    if len(cases) == 1:
        for name, value in card(cases[0], (), now_ns):
            click.echo(line(name, value), err=True)
    else:
        table(cases, now_ns)
    with_these = f" with {brief(codec.decode(arguments), 400)}" if arguments else ""
    what = f"this{with_these}" if len(cases) == 1 else f"these {len(cases)}"
    if not click.confirm(f"{verdict.value.capitalize()} {what}?", err=True):
        raise click.Abort


def _said(settings: Settings, case: Case, ruled: Ruled, verdict: RulingVerdict) -> str:
    more = f"; {ruled.missing} more must agree" if ruled.state == "waiting" and verdict is RulingVerdict.APPROVE else ""
    above = [who for one in case.requests for who in one.escalate_to]
    more = f"; {', '.join(above)} may decide as well" if verdict is RulingVerdict.ESCALATE else more
    late = f", {left(case, SystemClock().now_ns())}" if ruled.state == "waiting" else ""
    return f"recorded: {ruled.id} is {ruled.state}, says {settings.principal}{more}{late}"
