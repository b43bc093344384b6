"""``bailiwick effects show``: one effect whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import brief, effect_as_json, given_to, print_json, printable, seconds, spent, value_of, when
from bailiwick.effects import Effect, opens

ERASED = "(erased)"
WIDTH = 2_000
"""A value longer than this is cut off; with --json it is whole."""


@click.command()
@click.argument("effect_id", metavar="ID")
@home_option
@json_option
def show(effect_id: str, home: str | None, as_json: bool) -> None:
    """Show one effect whole: who asked, on whose behalf, what, why it was allowed, every try, and what came of it.

    Of ID its beginning or its end is enough. Secrets show as digests, erased payloads as erased.

    \b
    Examples:
      bailiwick effects show a6cce6838e02
      bailiwick effects show eff_019a… --json | jq .value
    """
    reading = Reading(home, trees=trees_of(effect_id))
    effect = reading.named(effect_id)
    if as_json:
        print_json(whole_as_json(reading, effect))
        return
    for name, value in _lines(reading, reading.whole(effect)):
        if value:
            click.echo(f"{name:<10} {printable(value)}")


def whole_as_json(reading: Reading, effect: Effect) -> dict[str, Any]:
    """Everything that is on record of it, and on whose behalf it was done."""
    root = reading.causality.line(effect)[0].intent
    return effect_as_json(reading.whole(effect), payloads=True) | {
        "in_doubt": reading.in_doubt(effect),
        "opens": opens(effect) or None,
        "principal": root.principal or None,
        "grant": root.grant or None,
        "charter": root.charter or None,
        "rule_text": reading.charter_rule(effect) or None,
        "code": effect.intent.code or None,
        "path": effect.intent.path or None,
        "key": effect.intent.idempotency_key,
        "oneway": effect.intent.oneway,
        "caused": [consequence.intent.id for consequence in reading.causality.consequences(effect)],
        "total_cost": reading.causality.cost(effect),
    }


def _lines(reading: Reading, effect: Effect) -> Iterator[tuple[str, str]]:
    """Names and values, in the order in which somebody asks for them."""
    intent, outcome, web = effect.intent, effect.outcome, reading.causality
    root = web.line(effect)[0].intent
    yield "id", intent.id
    yield "entry", f"{effect.seq}" + (f", outcome {effect.outcome_seq}" if outcome else "")
    yield "state", reading.state(effect) + (f" by {effect.undo.intent.id}" if effect.undo else "")
    yield "kind", f"{intent.kind}, {intent.effect}" + (", one-way" if intent.oneway else "")
    yield "tool", intent.tool
    yield "target", intent.target or ""
    yield "run", f"{intent.run} at position {intent.position}" if intent.position else intent.run
    yield "opens", opens(effect) if opens(effect) != intent.run else ""
    yield "agent", intent.agent
    yield "principal", root.principal
    yield "grant", root.grant
    yield "charter", root.charter
    yield "rule", _rule(reading, effect)
    yield "undoes", intent.undoes or ""
    for cause in web.causes(effect):
        yield "cause", f"{cause.intent.id} {cause.intent.tool}"
    for consequence in web.consequences(effect):
        yield "led to", f"{consequence.intent.id} {consequence.intent.tool}"
    yield "asked", when(intent.at_ns)
    if outcome is not None:
        yield "ended", f"{when(outcome.ended_ns)}, after {seconds(effect.took_s)}"
        yield "fidelity", outcome.fidelity.value
        yield "cost", spent(outcome.cost)
    yield "inside", spent(web.cost(effect)) if web.opened(effect) else ""
    yield "arguments", _payload(effect, effect.seq, intent.arguments, given_to(effect))
    yield from _tries(effect)
    yield from _came(effect)


def _rule(reading: Reading, effect: Effect) -> str:
    if not effect.intent.rule:
        return ""
    text = reading.charter_rule(effect)
    return f"{effect.intent.rule}: {text}" if text else f"{effect.intent.rule} of that charter, which is not the one in force here"


def _tries(effect: Effect) -> Iterator[tuple[str, str]]:
    for request in effect.requests:
        many = f"{request.need} of " if len(request.asked) > 1 or request.need > 1 else ""
        yield "asked", f"{many}{', '.join(request.asked)}, {when(request.at_ns)}: {request.why}"
    for ruling in effect.rulings:
        yield "said", f"{ruling.who}: {ruling.verdict}, {when(ruling.at_ns)}" + (f": {ruling.why}" if ruling.why else "")
    for attempt in effect.attempts:
        how = f"{attempt.settlement.by}" + (f" ({attempt.settlement.who})" if attempt.settlement.who else "")
        begun = "began" if attempt.begun else "may begin"
        why = f": {attempt.settlement.why}" if attempt.settlement.why else ""
        failed = f"; the one before failed: {attempt.failure.message}" if attempt.failure else ""
        yield f"try {attempt.number}", f"{begun} {when(attempt.at_ns)}, by {how}{why}{failed}".replace("  ", " ")


def _came(effect: Effect) -> Iterator[tuple[str, str]]:
    outcome = effect.outcome
    if outcome is None:
        return
    if outcome.settlement is not None:
        settlement = outcome.settlement
        yield "settled", f"by {settlement.who or settlement.by}" + (f": {settlement.why}" if settlement.why else "")
    if outcome.failure is not None:
        yield "failure", f"{outcome.failure.type}: {outcome.failure.message}\n{outcome.failure.traceback}".rstrip()
    else:
        yield "value", _payload(effect, effect.outcome_seq, outcome.value, value_of(effect))


def _payload(effect: Effect, seq: int, data: bytes, shown: object) -> str:
    return brief(shown, WIDTH) if data else ERASED if seq in effect.erased else ""
