"""``bailiwick effects settle``: a person says what came of an effect in doubt."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click
import msgspec

from bailiwick import codec
from bailiwick.bailiff import Finding, check_unsettled
from bailiwick.bailiff import settle as put_on_record
from bailiwick.cli.finding import SCRIPT, Finder, import_option
from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import brief, call, print_json, printable, seconds, when
from bailiwick.clock import SystemClock
from bailiwick.effects import NOT_HAPPENED, Attempt, Effect, Failure, Happened, Outcome
from bailiwick.errors import BadInput, BailiwickError, NotFound

NOTHING = "null"


@click.command()
@click.argument("effect_id", metavar="ID")
@click.option("--done", "value", metavar="JSON", is_flag=False, flag_value=NOTHING, help="It happened, and returned this. [default: null]")
@click.option("--failed", "failure", metavar="TEXT", help="It did not happen, or not well: its run gets this as an error.")
@click.option("--retry", is_flag=True, help="It did not happen, and may be tried again when its run is resumed.")
@click.option("--why", "reason", metavar="TEXT", default="", help="How you know. It stands on the record beside your name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@import_option
@home_option
@json_option
def settle(
    effect_id: str,
    value: str | None,
    failure: str | None,
    retry: bool,
    reason: str,
    yes: bool,
    imports: tuple[str, ...],
    home: str | None,
    as_json: bool,
) -> None:
    """Say what came of an effect that a crash left in doubt, so that its run can be resumed.

    Look at what it touched first: what you say is believed. Of ID its beginning or its end is enough.

    \b
    Examples:
      bailiwick effects ls --state open
      bailiwick effects settle a6cce6838e02 --done '{"id": 17}' --why "it is in the outbox"
      bailiwick effects settle a6cce6838e02 --failed "the bank never saw it"
      bailiwick effects settle a6cce6838e02 --retry
    """
    if [value is not None, failure is not None, retry].count(True) != 1:
        raise BadInput("nothing was recorded: say one of --done, --failed and --retry")
    reading = Reading(home, trees=trees_of(effect_id))
    effect = reading.whole(reading.named(effect_id))
    check_unsettled(effect.intent, effect.outcome)
    if not yes or not as_json:
        _show(effect, as_error=as_json)
    finding = _finding(Finder(reading.effects, imports), effect, value, failure)
    _ask(finding, yes)
    found = asyncio.run(put_on_record(reading.settings, effect.intent.id, finding, why=reason, clock=SystemClock()))
    if as_json:
        print_json(found)
    else:
        click.echo(_said(reading, effect, found))


def _show(effect: Effect, *, as_error: bool) -> None:
    """What is known of it."""
    intent = effect.intent
    now_ns = SystemClock().now_ns()
    lines = [f"{intent.id}, {intent.effect}: {call(effect, 400)}"]
    lines += [f"asked {when(intent.at_ns)} UTC, {seconds((now_ns - intent.at_ns) / 1e9)} ago, in {intent.run} at {intent.position}"]
    lines += [f"idempotency key {intent.idempotency_key}"]
    for attempt in effect.attempts:
        failed = f"; before it: {printable(attempt.failure.message)}" if attempt.failure else ""
        lines.append(f"try {attempt.number} {'began' if attempt.begun else 'may begin'}, by {attempt.settlement.by}{failed}")
    for line in lines:
        click.echo(line, err=as_error)


def _finding(finder: Finder, effect: Effect, value: str | None, failure: str | None) -> Finding:
    if value is not None:
        return Happened(_encoded(finder, effect, value))
    if failure is not None:
        return Failure(code="tool_failed", type="bailiwick.errors:ToolFailed", message=failure, arguments=codec.encode([failure]))
    return NOT_HAPPENED


def _encoded(finder: Finder, effect: Effect, text: str) -> bytes:
    """The result that was typed, checked against what the tool promises. Raises `BadInput`."""
    try:
        plain: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise BadInput(f"nothing was recorded: --done {text}: {error}; give JSON, a text in double quotes") from None
    try:
        tool = finder.tool(effect.intent)
    except NotFound as error:
        click.echo(f"the value is not checked against what the tool returns: {error.message}", err=True)
        return codec.encode(plain)
    try:
        typed: Any = msgspec.convert(plain, tool.signature.result_type)
        return tool.signature.pack_result(typed)
    except (msgspec.ValidationError, BailiwickError) as error:
        raise BadInput(f"nothing was recorded: `{effect.intent.tool}` does not return {brief(plain)}: {error}") from None


def _ask(finding: Finding, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("nothing was recorded: there is nobody here to ask; say --yes")
    match finding:
        case Happened(value):
            question = f"Record that it happened and returned {brief(codec.decode(value))}?"
        case Failure():
            question = f"Record that it failed: {printable(finding.message)}?"
        case _:
            question = "Record that it did not happen and may be tried again?"
    if not click.confirm(question, err=True):
        raise click.Abort


def _said(reading: Reading, effect: Effect, found: Outcome | Attempt) -> str:
    what = found.status.value if isinstance(found, Outcome) else f"free for try {found.number}"
    root = reading.causality.line(effect)[0].intent.tool
    resume = f"bailiwick run {root.removeprefix(SCRIPT)} --resume" if root.startswith(SCRIPT) else "resume"
    return f"recorded: {effect.intent.id} is {what}, says {reading.settings.principal}. Its run can go on: {resume}"
