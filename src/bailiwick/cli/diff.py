"""``bailiwick effects diff``: where two runs part."""

from __future__ import annotations

from typing import Any

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import brief, call, effect_as_json, print_json, printable, value_of
from bailiwick.effects import Difference, Effect, Parting, compare

WIDTH = 100


@click.command()
@click.argument("first", metavar="RUN1")
@click.argument("second", metavar="RUN2")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="At most so many differences, the first ones.")
@click.option("--exit-code", "tells", is_flag=True, help="Exit with 1 if they differ, like `git diff --exit-code`.")
@home_option
@json_option
def diff(first: str, second: str, limit: int, tells: bool, home: str | None, as_json: bool) -> None:
    """Show where RUN1 and RUN2 part: what one asked that the other did not, and what came of the same question.

    They are aligned by position, inside each message and each agent too. The first difference is often the cause of the others. When
    things ran, how long they took and what they cost is not compared, and ids that belong to each run are not either.

    \b
    Examples:
      bailiwick effects diff 3a9b0c66d1 f00d2e4c81
      bailiwick effects diff run_019a… run_019b… --exit-code --json | jq '.[0].place'
    """
    names = Reading(home, trees=trees_of(first, second))
    runs = [names.run(text).intent.id for text in (first, second)]
    reading = Reading(home, trees=runs, payloads=True)
    one, other = (reading.run(run) for run in runs)
    found = list(compare(reading.causality, one, other))
    if as_json:
        print_json([_as_json(difference) for difference in found[:limit]])
    elif not found:
        click.echo("no difference")
    else:
        for difference in found[:limit]:
            click.echo("\n".join(_lines(difference)))
        if len(found) > limit:
            click.echo(f"and {len(found) - limit} more; raise --limit", err=True)
    if tells and found:
        raise click.exceptions.Exit(1)


def _lines(difference: Difference) -> list[str]:
    where = " inside ".join(reversed(difference.place)) if difference.place else "the run itself"
    place = f"at {where}" if difference.place else where
    match difference.parting:
        case Parting.ONLY_FIRST | Parting.ONLY_SECOND:
            here = difference.first or difference.second
            sign = "-" if difference.first is not None else "+"
            whose = "the first run" if difference.first is not None else "the second run"
            return [f"{place}: only {whose} asked", *([f"  {sign} {_asked(here)}"] if here is not None else [])]
        case Parting.QUESTION:
            return [f"{place}: another question", *_both(difference, _asked)]
        case Parting.OUTCOME:
            what = call(difference.first) if difference.first is not None else ""
            return [f"{place}: {what} came out otherwise", *_both(difference, _came)]


def _both(difference: Difference, words: Any) -> list[str]:
    return [f"  {sign} {words(effect)}" for sign, effect in (("-", difference.first), ("+", difference.second)) if effect is not None]


def _asked(effect: Effect) -> str:
    target = f" of {effect.intent.target}" if effect.intent.target else ""
    return f"{effect.intent.kind} {call(effect, WIDTH)}{target}  {effect.intent.id}"


def _came(effect: Effect) -> str:
    outcome = effect.outcome
    if outcome is None:
        return f"open  {effect.intent.id}"
    fidelity = f" {outcome.fidelity}" if outcome.fidelity != "exact" else ""
    if outcome.failure is not None:
        said = printable(outcome.failure.message)[:WIDTH]
    else:
        said = "(erased)" if effect.outcome_seq in effect.erased and not outcome.value else brief(value_of(effect), WIDTH)
    return f"{outcome.status}{fidelity} {said}  {effect.intent.id}"


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "parting": difference.parting,
        "place": difference.place,
        "first": effect_as_json(difference.first, payloads=True) if difference.first is not None else None,
        "second": effect_as_json(difference.second, payloads=True) if difference.second is not None else None,
    }
