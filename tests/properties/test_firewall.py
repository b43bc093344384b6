"""Whatever is thrown at it: canonical forms are bounded and final, learnt rules never cover what was judged otherwise, labels last."""

from __future__ import annotations

import base64
import codecs
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.charter.firewall import Caution, Firewall, Labels, Learning, Plan, Rules, canonicalise, compile_rule, decodings, fold, sketch
from bailiwick.charter.firewall.addresses import read_host, read_url, resolve
from bailiwick.charter.firewall.canonical import MAX_LEAVES, MAX_TOKENS
from bailiwick.charter.firewall.text import MAX_CHARS
from bailiwick.testing import VirtualClock
from tests.unit.charter.firewall.calls import a_call

NASTY = st.text(alphabet=st.sampled_from("aA%2e5&#x41;amp\\u/*<!-->аﬁﬀ％＆İß\u200b\u202e\x00 \n@.:[]0x7f"), max_size=60)
TEXTS = st.one_of(st.text(max_size=200), NASTY)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=40)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=30,
)


@given(TEXTS)
@settings(max_examples=200)
def test_folding_is_bounded_and_changes_nothing_a_second_time(text: str) -> None:
    once = fold(text)
    assert len(once.text) <= MAX_CHARS
    assert fold(once.text).text == once.text


@given(TEXTS, st.integers(1, 6))
def test_text_that_was_encoded_a_few_times_folds_to_the_same(text: str, times: int) -> None:
    encoded = text
    for _ in range(times):
        encoded = quote(encoded, errors="replace")
    folded = fold(encoded)
    assert len(folded.text) <= MAX_CHARS
    assert fold(folded.text).text == folded.text


@given(st.dictionaries(TEXTS, VALUES, max_size=6))
@settings(max_examples=100)
def test_canonical_forms_are_bounded_and_never_raise(arguments: dict[str, Any]) -> None:
    call = a_call("tool")._replace(arguments=arguments)
    found = canonicalise(call)
    assert len(found.fields) <= MAX_LEAVES + 1
    for field in found.fields.values():
        assert len(field.tokens) <= MAX_TOKENS
        assert all(len(value) <= MAX_CHARS for value in field.values)
    assert found.digest == canonicalise(call).digest


@given(TEXTS)
@settings(max_examples=100)
def test_addresses_never_raise_and_resolve_once(text: str) -> None:
    read_url(text)
    read_host(text)
    assert resolve(resolve(text)) == resolve(text)
    assert sum(map(len, decodings(text))) <= MAX_CHARS


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_labels_and_plans_never_raise(arguments: dict[str, Any]) -> None:
    labels = Labels()
    labels.obtained("eff", "web", arguments)
    labels.of(arguments, "tool")
    plan = Plan(labels)
    plan.fix(["tool"], {"tool": {"to": ["host:a.example"]}})
    assert plan.look(a_call("tool")._replace(arguments=arguments)).answer in ("allow", "ask")


WORDS = st.sampled_from(["send", "report", "weekly", "team", "secret", "drop", "table", "ignore", "previous", "mail", "wire"])
CALLS = st.fixed_dictionaries(
    {
        "to": st.sampled_from(["ada@corp.example", "bob@corp.example", "eve@evil.example", "mal@evil.example"]),
        "body": st.lists(WORDS, min_size=1, max_size=6).map(" ".join),
        "n": st.integers(0, 1_000),
    }
)


@given(st.lists(st.tuples(CALLS, st.booleans(), st.integers(1, 3)), max_size=40))
@settings(max_examples=60)
def test_learnt_rule_never_covers_a_remembered_call_of_the_other_label(history: list[tuple[dict[str, Any], bool, int]]) -> None:
    learning = Learning(Rules(), Caution())
    for now_ns, (arguments, attack, weight) in enumerate(history):
        call = a_call("send", **arguments)
        canonical = canonicalise(call)
        proposal = sketch(canonical, "block" if attack else "allow")
        learning.hear(call, canonical, "attack" if attack else "benign", proposal, now_ns, weight=weight)
        for rule in learning.rules:
            if not rule.shadow:
                opposite = learning.memory.opposite(rule.tool, "benign" if rule.action == "allow" else "attack")
                assert not any(compile_rule(rule).covers(entry.canonical) for entry in opposite)


@given(st.lists(st.tuples(CALLS, st.booleans()), max_size=20))
def test_firewall_that_was_restored_decides_and_writes_down_the_same(history: list[tuple[dict[str, Any], bool]]) -> None:
    firewall, other = Firewall(VirtualClock()), Firewall(VirtualClock())
    for number, (arguments, attack) in enumerate(history):
        call = a_call("send", **arguments)
        proposal = sketch(canonicalise(call), "block" if attack else "allow")
        firewall.learning.hear(call, canonicalise(call), "attack" if attack else "benign", proposal, number)
    other.restore(firewall.state())
    assert other.state() == firewall.state()
    for arguments, _ in history:
        assert other.look(a_call("send", **arguments)) == firewall.look(a_call("send", **arguments))


SECRET = st.text(alphabet="abcdefghijkmnopqrstuvwxyz0123456789", min_size=24, max_size=60)
ENCODINGS = {
    "exact": lambda text: text,
    "upper case": str.upper,
    "part": lambda text: "see " + text[2:-2] + " there",
    "percent": lambda text: "".join(f"%{ord(c):02x}" for c in text),
    "double percent": lambda text: quote("".join(f"%{ord(c):02x}" for c in text)),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, nested": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64, URL safe": lambda text: "x=" + base64.urlsafe_b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal, spaced": lambda text: text.encode().hex(" "),
    "reversed": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "spaced out": lambda text: " ".join(text),
    "scattered with signs": lambda text: "-".join(text[at : at + 3] for at in range(0, len(text), 3)),
    "HTML": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) for c in text),
    "look-alike": lambda text: text.translate(str.maketrans("aeopcxi", "аеорсхі")),
    "invisible": lambda text: "\u200b".join(text),
}


@given(SECRET, st.text(alphabet="LMNO ", max_size=40))
@settings(max_examples=25)
def test_labels_survive_every_listed_encoding(secret: str, around: str) -> None:
    for name, encode in ENCODINGS.items():
        labels = Labels({"web": ["web"]})
        labels.obtained("eff", "web", {"page": [f"{around} {secret} {around}"]})
        assert labels.of({"x": encode(secret)}) == {"x": {"web"}}, name


@given(SECRET, st.integers(9, 15))
def test_labels_survive_being_split_over_arguments_and_over_calls(secret: str, cut: int) -> None:
    labels = Labels({"web": ["web"]})
    labels.obtained("eff", "web", f"Here: {secret}.")
    assert labels.of({"a": secret[:cut], "b": secret[cut:]})
    pieces = [secret[at : at + 5] for at in range(0, len(secret), 5)]
    assert any(labels.of({"q": piece}, "http_get") for piece in pieces)


@given(st.lists(SECRET, max_size=5), st.lists(SECRET, max_size=3))
def test_labels_that_were_restored_find_and_write_down_the_same(heard: list[str], trusted: list[str]) -> None:
    labels, other = Labels(trusted=trusted), Labels()
    for number, text in enumerate(heard):
        labels.obtained(f"eff{number}", "web", text)
    other.restore(labels.state())
    assert other.state() == labels.state()
    for text in (*heard, *trusted):
        assert other.of({"x": text}) == labels.of({"x": text})
        assert other.traces(text) == labels.traces(text)
