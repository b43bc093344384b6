from __future__ import annotations

import pytest

from bailiwick.charter import Monitors, SafetyEnvelope, parse_property
from bailiwick.charter.envelopes.syntax import AtMost, Event, Never, Response, Total, What
from bailiwick.effects import EffectClass, Kind
from bailiwick.errors import BadInput


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nevr pay after read", "character 1: `nevr` begins no property; did you mean `never`?"),
        ("never pay aftr web", "character 11: `aftr` is not known here; did you mean `after`?"),
        ("at mots 3 pay", "did you mean `most`?"),
        ("total cost.usdd of pay at most 1", "`cost.usdd` is no cost; did you mean `usd`?"),
        ("atempted pay only after x", "did you mean `attempted`?"),
        ("pay", "`only`"),
        ("", "the end stands where a tool is named"),
        ("never after web", "`after` is a word of this language; a tool of that name stands in quotes"),
        ("at most 3 pay per 3", "is no duration"),
        ("at most 1.5 pay", "no whole number"),
        ("at most -1 pay", "not negative"),
        ("never 'a", "a quote that is not closed"),
        ("never pay where usd >", "the end stands where a number"),
        ("never pay where 5", "a condition compares something"),
        ("never pay where to like recipient", "`like` is followed by a text"),
        ("never (pay", "`)`"),
        ("risk 0.1 of pay at most 2", "no probability"),
        ("risk value of pay at most 0.2", "known before"),
        ("never done failed pay", "says again what was said"),
        ("never pay;", "put names with it in quotes"),
    ],
)
def test_what_cannot_be_read_says_where_and_what_was_probably_meant(text: str, said: str) -> None:
    with pytest.raises(BadInput, match="at character") as caught:
        parse_property(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "bomb",
    [
        "never " + "not " * 2_000 + "pay",
        "never " + "(" * 2_000 + "pay" + ")" * 2_000,
        "never " + " or ".join(["a"] * 1_000),
        "never pay since " + " since ".join(["a"] * 500),
        "never " + "x" * 100_000,
        "at most 1000000000 pay per 1d",
        "at most 10001 pay per 1d",
        "at most " + "9" * 4_000 + " pay",
        "at most 3 pay per 99999999999999w",
        "total usd of pay at most 1e999",
        "never " + "*" * 300,
        "never pay where " + "not " * 500 + "flag",
        "never pay where to like '" + "*a" * 200 + "'",
    ],
)
def test_property_bombs_are_refused(bomb: str) -> None:
    with pytest.raises(BadInput):
        parse_property(bomb)


def test_many_at_most_ever_need_no_more_than_a_number() -> None:
    assert parse_property("at most 1000000000 pay") == AtMost(Event(What.HAPPENED, "pay"), 1_000_000_000, None)


def test_words_of_the_language_name_tools_in_quotes() -> None:
    assert parse_property('never "after"') == Never(Event(What.HAPPENED, "after"))
    assert parse_property("never read") == Never(Event(What.HAPPENED, "*", EffectClass.READ))
    assert parse_property("never 'read'") == Never(Event(What.HAPPENED, "read"))
    assert parse_property("never done spawn Writer") == Never(Event(What.DONE, "Writer", None, Kind.SPAWN))


def test_and_joins_conditions_where_it_can_and_formulas_else() -> None:
    joined = parse_property("never pay where usd > 1 and to == 'x'")
    apart = parse_property("never pay where usd > 1 and once web")
    assert isinstance(joined, Never)
    assert isinstance(joined.formula, Event)
    assert isinstance(apart, Never)
    assert not isinstance(apart.formula, Event)


def test_numbers_and_durations_are_what_they_say() -> None:
    total = parse_property("total usd of pay at most 1_000.5 per 90m")
    assert isinstance(total, Total)
    assert (total.most, total.per_ns) == (1000.5, 5_400 * 10**9)
    answer = parse_property("every order followed by pay within 500ms or stop")
    assert isinstance(answer, Response)
    assert (answer.within_ns, answer.stop) == (500 * 10**6, True)


def test_an_envelope_that_cannot_be_read_is_named() -> None:
    with pytest.raises(BadInput, match="envelope `spend`: at character 1"):
        Monitors([SafetyEnvelope(name="spend", property="nevr pay")])
    with pytest.raises(BadInput, match="two envelopes are called `a`"):
        Monitors([SafetyEnvelope(name="a", property="never x"), SafetyEnvelope(name="a", property="never y")])
    with pytest.raises(BadInput, match="`fleet` is no scope"):
        Monitors([SafetyEnvelope(name="a", property="never x", scope="fleet")])
    with pytest.raises(BadInput, match="at most 256"):
        Monitors([SafetyEnvelope(name=str(n), property="never x") for n in range(257)])
