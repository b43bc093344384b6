"""``bailiwick effects why``: how an effect came about, from the person who answers for it down to the data that went in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from bailiwick.cli.options import home_option, json_option
from bailiwick.cli.reading import Reading, trees_of
from bailiwick.cli.show import brief, call, effect_as_json, print_json, printable, seconds, spent, value_of, when
from bailiwick.effects import Effect, Fidelity, Kin, Kind, is_model_call

DEPTH = 3
SHOWN = 40
"""So many results that went in are told to people, the nearest."""

VERBS = {
    Kind.ASK: "asked",
    Kind.SPAWN: "launched",
    Kind.TOOL: "used",
    Kind.UNDO: "took back",
    Kind.VERSION: "went by version",
}


@click.command()
@click.argument("effect_id", metavar="ID")
@click.option(
    "--depth", type=click.IntRange(min=0), default=DEPTH, show_default=True, help="How far back the data that went in is followed."
)
@home_option
@json_option
def why(effect_id: str, depth: int, home: str | None, as_json: bool) -> None:
    """Say how an effect came about: who started what, what that asked for, by which rule, and which results went in.

    Data is followed where the runtime saw it: a result, or a part of one, that was passed on as it came. What code computed from
    results is not seen. Of ID its beginning or its end is enough.

    \b
    Examples:
      bailiwick effects why a6cce6838e02
      bailiwick effects why eff_019a… --json | jq '.sources[].tool'
    """
    reading = Reading(home, trees=trees_of(effect_id))
    effect = reading.named(effect_id)
    if as_json:
        print_json(reasons_as_json(reading, effect, depth))
        return
    for line in reasons(reading, effect, depth):
        click.echo(line)


def reasons_as_json(reading: Reading, effect: Effect, depth: int) -> dict[str, Any]:
    """The chain from the root to ``effect``, and what went in, with distances."""
    web = reading.causality
    line = web.line(effect)
    weakest = web.weakest(effect)
    sources = list(web.sources(effect, depth))
    return {
        "effect": effect.intent.id,
        "principal": line[0].intent.principal or None,
        "line": [_whole(reading, step) for step in line],
        "sources": [_whole(reading, kin.effect) | {"distance": kin.depth} for kin in sources],
        "model_calls": [kin.effect.intent.id for kin in sources if is_model_call(kin.effect)],
        "fidelity": weakest.outcome.fidelity if weakest is not None and weakest.outcome is not None else Fidelity.EXACT,
        "weakest": weakest.intent.id if weakest is not None else None,
    }


def reasons(reading: Reading, effect: Effect, depth: int) -> Iterator[str]:
    """The same in words, a line a step; of what went in the nearest."""
    web = reading.causality
    line = web.line(effect)
    for number, step in enumerate(line):
        yield "  " * number + _sentence(reading, reading.whole(step))
    margin = "  " * len(line)
    sources = list(web.sources(effect, depth))
    for kin in sources[:SHOWN]:
        yield f"{margin}{_source(reading, kin, effect)}"
    if len(sources) > SHOWN:
        yield f"{margin}and from {len(sources) - SHOWN} more; --json has them all"
    elif any(kin.depth > depth for kin in web.sources(effect, depth + 1)):
        yield f"{margin}and what went into those: --depth {depth + 1}"
    elif not sources:
        yield f"{margin}no other effect's result was seen to go in"
    weakest = web.weakest(effect)
    if weakest is not None and weakest.outcome is not None:
        itself = "it is" if weakest is effect else f"what went in is, by {weakest.intent.tool} {weakest.intent.id},"
        yield f"not exact: {itself} {weakest.outcome.fidelity}"


def _sentence(reading: Reading, effect: Effect) -> str:
    intent = effect.intent
    if intent.kind is Kind.RUN:
        terms = [f"charter {intent.charter}" if intent.charter else "", f"paid by {intent.grant}" if intent.grant else ""]
        under = "".join(f", {term}" for term in terms if term)
        who = printable(intent.principal) or "somebody"
        return f"{who} started {call(effect)} on {when(intent.at_ns)}: {intent.run}{under}; {_came(reading, effect)}"
    place = f"at {intent.position} it " if intent.position else "it "
    by_itself = reading.causality.opener(effect)
    who = f"by itself {intent.agent} " if by_itself is not None and by_itself.intent.kind is Kind.SPAWN else place
    whom = f" of {intent.target}" if intent.target else ""
    rule = reading.charter_rule(effect)
    allowed = f"; {intent.rule}{f': {rule}' if rule else ''}" if intent.rule else ""
    return f"{who}{VERBS.get(intent.kind, intent.kind.value)} {call(effect)}{whom}: {intent.id}; {_came(reading, effect)}{allowed}"


def _source(reading: Reading, kin: Kin, effect: Effect) -> str:
    whole, outcome = reading.whole(kin.effect), kin.effect.outcome
    said = "an answer of a model" if is_model_call(kin.effect) else "its result"
    if any(fed is effect for fed in reading.causality.consequences(kin.effect)):
        went = f"{said} went in"
    else:
        went = f"{said} went in by way of others, {kin.depth} steps back" if kin.depth > 1 else f"{said} was given to who asked for this"
    if outcome is None:
        return f"from {call(whole)}: {whole.intent.id}, open"
    erased = whole.outcome_seq in whole.erased and value_of(whole) is None
    return f"from {call(whole)} → {'(erased)' if erased else brief(value_of(whole))}: {whole.intent.id}, {outcome.fidelity}; {went}"


def _came(reading: Reading, effect: Effect) -> str:
    outcome = effect.outcome
    if outcome is None:
        return reading.state(effect)
    words = [f"{effect.state} in {seconds(effect.took_s)}"]
    words += [outcome.fidelity.value] if effect.intent.kind is Kind.TOOL else []
    words += [f"after {effect.tries} tries"] if effect.tries > 1 else []
    words += [f"settled by {outcome.settlement.who or outcome.settlement.by}"] if outcome.settlement else []
    words += [cost] if (cost := spent(outcome.cost)) else []
    return ", ".join(words)


def _whole(reading: Reading, effect: Effect) -> dict[str, Any]:
    return effect_as_json(reading.whole(effect), payloads=True)
