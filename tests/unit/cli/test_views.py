"""What commands show of the record: ``effects ls, show, why, tree, diff`` and ``runs ls, show``."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from typing import NamedTuple

import pytest

from bailiwick.charter import Charter
from bailiwick.effects import Cost, EffectClass, Erasure, Fidelity, Settlement, Settler, Status
from bailiwick.ids import EffectId, agent_of
from bailiwick.ledger.backends.sqlite import SqliteLedger
from tests.story import Story
from tests.unit.cli.commands import home, refused, said, told


class Told(NamedTuple):
    """The story that most tests look at."""

    story: Story
    launch: EffectId
    chat: EffectId
    ask: EffectId
    fetch: EffectId
    measure: EffectId
    pay: EffectId


@pytest.fixture
def lab() -> Told:
    """An agent is asked with a model's answer, fetches and measures; then the run pays, and is killed in the middle of that."""
    story = Story()
    story.begin(samples=3, charter=Charter().digest)
    launch = story.launch("Lab", "lab")
    chat = story.use("chat", value="CCO", cost=Cost(tokens=120), kind=EffectClass.READ)
    ask = story.ask("Lab.weigh", to=launch, of=[chat], sample="CCO")
    fetch = story.use("fetch", ask, value="ethanol", sample="CCO", kind=EffectClass.READ, is_open=True)
    story.again(fetch, 2, begun=False, failure="no route")
    story.again(fetch, 2)
    story.end(fetch, "ethanol")
    measure = story.use("measure", ask, value=2.5, of=[fetch], fidelity=Fidelity.APPROXIMATE, cost=Cost(cpu_s=2.0), rule="allow 1")
    story.end(ask, 2.5)
    story.seal(agent_of(launch))
    pay = story.use("pay", kind=EffectClass.IRREVERSIBLE, of=[ask], amount=7, is_open=True, rule="allow 9")
    story.keep(home())
    return Told(story, launch, chat, ask, fetch, measure, pay)


def test_a_list_tells_what_is_in_doubt_from_what_may_go_on(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    listed = told(capsys, "effects", "ls", "--state", "open")
    assert [(effect["tool"], effect["in_doubt"]) for effect in listed] == [("run:/lab/lab.py", False), ("pay", True)]
    words = said(capsys, "effects", "ls", "--state", "open")
    assert "in doubt" in words
    assert "irreversible" in words


def test_the_whole_of_an_effect_has_its_tries_its_rule_and_its_principal(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "effects", "show", lab.fetch)
    assert [attempt["begun"] for attempt in shown["attempts"]] == [False, True]
    assert shown["attempts"][0]["failure"]["message"] == "no route"
    assert (shown["tries"], shown["principal"]) == (2, "ada@analytical")
    assert shown["caused"] == [lab.measure]
    words = said(capsys, "effects", "show", lab.fetch)
    assert "no route" in words
    assert "ada@analytical" in words
    assert f"rule       allow 1: {Charter().allow[0]}" in said(capsys, "effects", "show", lab.measure)
    assert "allow 9 of that charter, which is not the one in force here" in said(capsys, "effects", "show", lab.pay)


def test_an_effect_is_found_by_any_of_its_ids(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (lab.launch, agent_of(lab.launch), lab.launch[-12:], lab.launch[4:]):
        assert told(capsys, "effects", "show", name)["id"] == lab.launch
    assert "no effect on record" in refused(capsys, "effects", "show", "ffffffff")
    assert "give more of it" in refused(capsys, "effects", "show", "eff_019b00000000")


def test_a_settlement_is_shown_with_the_person(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    more = Story(1)
    more.begin()
    pay = more.use("pay", kind=EffectClass.IRREVERSIBLE, is_open=True)
    more.end(pay, 8, settlement=Settlement(by=Settler.PERSON, who="ada@analytical", why="it is in the bank"))
    more.keep(home())
    assert "by ada@analytical: it is in the bank" in said(capsys, "effects", "show", pay)
    assert told(capsys, "effects", "show", pay)["settlement"] == {"by": "person", "who": "ada@analytical", "why": "it is in the bank"}
    assert "settled by ada@analytical" in said(capsys, "effects", "why", pay)


def test_an_erased_payload_shows_as_erased(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    seqs = [effect.seq for effect in lab.story.folded().values() if effect.intent.id == lab.measure]
    seqs.append(seqs[0] + 1)

    erase(*seqs)
    assert "value      (erased)" in said(capsys, "effects", "show", lab.measure)
    assert "arguments  (erased)" in said(capsys, "effects", "show", lab.measure)
    assert told(capsys, "effects", "show", lab.measure)["erased"] == ["arguments", "value"]
    assert "measure((erased))" in said(capsys, "effects", "why", lab.measure)
    assert len(said(capsys, "effects", "export").splitlines()) == len(lab.story.folded())


def test_an_undo_is_shown_on_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    story.begin()
    book = story.use("book", kind=EffectClass.COMPENSABLE, value=1)
    undo = story.undo(book)
    story.keep(home())
    assert f"undone by {undo}" in said(capsys, "effects", "show", book)
    assert told(capsys, "effects", "show", undo)["undoes"] == book
    assert [effect["id"] for effect in told(capsys, "effects", "ls", "--state", "undone")] == [book]
    assert "took back" in said(capsys, "effects", "why", undo)


def test_why_leads_from_the_person_to_the_data_that_went_in(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "effects", "why", lab.measure).splitlines()
    assert lines[0].startswith("ada@analytical started run:/lab/lab.py(samples=3) on 2026-01-01 00:00:00")
    assert lines[1].startswith('  at 3 it asked Lab.weigh(sample="CCO")')
    assert lines[2].startswith("    at 2 it used measure()")
    assert "allow 1: tool" in lines[2]
    assert [line.split(":")[0].strip() for line in lines[3:5]] == ['from fetch(sample="CCO") → "ethanol"', 'from chat() → "CCO"']
    assert "its result went in" in lines[3]
    assert "an answer of a model was given to who asked for this" in lines[4]
    assert lines[5] == "not exact: it is approximate"


def test_why_says_where_the_fidelity_was_lost(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"not exact: what went in is, by measure {lab.measure}, approximate" in said(capsys, "effects", "why", lab.pay)
    reasons = told(capsys, "effects", "why", lab.pay)
    assert (reasons["fidelity"], reasons["weakest"], reasons["principal"]) == ("approximate", lab.measure, "ada@analytical")
    assert reasons["model_calls"] == [lab.chat]
    assert [step["id"] for step in reasons["line"]] == [lab.story.root, lab.pay]
    assert {source["id"]: source["distance"] for source in reasons["sources"]} == {lab.ask: 1, lab.chat: 2, lab.fetch: 2, lab.measure: 2}


def test_why_says_where_it_stopped(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--depth 2" in said(capsys, "effects", "why", lab.pay, "--depth", "1")
    assert "--depth" not in said(capsys, "effects", "why", lab.pay, "--depth", "2")
    assert "no other effect's result was seen to go in" in said(capsys, "effects", "why", lab.chat)


def test_why_does_not_drown_people_in_data(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    story.begin()
    fetched = [story.use("fetch", kind=EffectClass.READ, value=number) for number in range(100)]
    mean = story.use("mean", of=fetched, value=49.5)
    story.keep(home())
    lines = said(capsys, "effects", "why", mean).splitlines()
    assert len(lines) == 2 + 40 + 1
    assert lines[-1].strip() == "and from 60 more; --json has them all"
    assert len(told(capsys, "effects", "why", mean)["sources"]) == 100


TREE = """\
run run:/lab/lab.py  open  2 s CPU, 120 tokens  …5a5a5a5a5a5a
├─ 1 spawn Lab  done  1 ms  …{launch}
├─ 2 tool chat  done  1 ms  120 tokens  …{chat}
├─ 3 ask Lab.weigh  done  1 ms  2 s CPU  …{ask}
│  ├─ 1 tool fetch  done  1 ms  2 tries  …{fetch}
│  └─ 2 tool measure  done  1 ms  2 s CPU  approximate  …{measure}
└─ 4 tool pay  in doubt  …{pay}
"""


def test_a_tree_shows_what_is_inside_what(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    ends = {name: effect[-12:] for name, effect in lab._asdict().items() if name != "story"}
    assert said(capsys, "effects", "tree") == TREE.format(**ends)
    assert said(capsys, "effects", "tree", lab.story.run) == TREE.format(**ends)


def test_a_tree_can_be_cut_and_begin_anywhere(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    cut = said(capsys, "effects", "tree", "--depth", "1").splitlines()
    assert len(cut) == 5
    assert "2 inside" in cut[3]
    assert [row["tool"] for row in told(capsys, "effects", "tree", lab.ask)] == ["Lab.weigh", "fetch", "measure"]
    rows = told(capsys, "effects", "tree")
    assert [row["opener"] for row in rows].count(lab.ask) == 2
    assert (rows[0]["total_cost"]["cpu_s"], rows[0]["total_cost"]["tokens"]) == (2.0, 120)


def test_runs_that_differ_are_told_apart_where_they_part(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    other = Story(1)
    other.begin(samples=3)
    launch = other.launch("Lab", "lab")
    other.use("chat", value="CCN", cost=Cost(tokens=90), kind=EffectClass.READ)
    other.end(other.ask("Lab.weigh", to=launch, sample="CCN"), 3.5)
    other.keep(home())
    runs = (lab.story.run, other.run)
    lines = said(capsys, "effects", "diff", *runs).splitlines()
    assert lines[0] == "at 2: chat() came out otherwise"
    assert lines[1].startswith('  - done "CCO"')
    assert lines[2].startswith('  + done "CCN"')
    assert "at 1 inside 3: only the first run asked" in lines
    found = told(capsys, "effects", "diff", *runs)
    assert [(difference["parting"], difference["place"]) for difference in found] == [
        ("outcome", ["2"]),
        ("question", ["3"]),
        ("only first", ["3", "1"]),
        ("only first", ["3", "2"]),
        ("only first", ["4"]),
    ]
    assert said(capsys, "effects", "diff", *runs, "--exit-code", exit_code=1)
    assert said(capsys, "effects", "diff", runs[0], runs[0], "--exit-code") == "no difference\n"


def test_runs_are_listed_with_how_they_stand(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    done, failed, interrupted = Story(1), Story(2), Story(3)
    for story in (done, failed, interrupted):
        story.begin("run:/lab/other.py")
    done.end(done.root, 1)
    failed.end(failed.root, "broken", status=Status.FAILED)
    interrupted.use("look", kind=EffectClass.READ, is_open=True)
    for story in (done, failed, interrupted):
        story.keep(home())
    listed = told(capsys, "runs", "ls")
    assert [row["state"] for row in listed] == ["in doubt", "done", "failed", "interrupted"]
    assert (listed[0]["effects"], listed[0]["agents"], listed[0]["principal"]) == (7, 1, "ada@analytical")
    assert (listed[0]["cost"]["cpu_s"], listed[0]["cost"]["tokens"]) == (2.0, 120)
    assert "interrupted" in said(capsys, "runs", "ls")
    assert "`bailiwick run /lab/other.py --resume` goes on" in said(capsys, "runs", "show", interrupted.run)
    assert "ValueError: broken" in said(capsys, "runs", "show", failed.run)


def test_a_run_is_shown_with_what_is_open_and_how_far_its_agents_are_sealed(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "runs", "show")
    assert [(effect["id"], effect["in_doubt"]) for effect in shown["open"]] == [(lab.pay, True)]
    assert (shown["tools"]["measure"]["calls"], shown["tools"]["measure"]["cost"]["cpu_s"]) == (1, 2.0)
    seals = {seal["name"]: (seal["seq"] is not None, seal["effects_since"]) for seal in shown["seals"]}
    assert seals == {"main": (False, 5), "lab": (True, 0)}
    words = said(capsys, "runs", "show")
    assert f"in doubt   {lab.pay} tool pay, irreversible" in words
    assert "state      in doubt: `bailiwick effects settle`" in words
    inner = told(capsys, "runs", "show", lab.ask)
    assert (inner["name"], inner["effects"], inner["value"], inner["principal"]) == ("Lab.weigh", 3, 2.5, "ada@analytical")


def test_what_was_recorded_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    story.begin("run:/lab/\x1b[31m.py", principal="mallory\x1b]0;x\x07")
    tool = story.use("fetch\x1b[2J", value="\x1b[31mred", sample="\x9b0m")
    failing = story.use("fail", is_open=True)
    story.end(failing, "\x1b[1A", status=Status.FAILED)
    story.keep(home())
    for command in (
        ("effects", "ls"),
        ("effects", "show", tool),
        ("effects", "show", failing),
        ("effects", "why", tool),
        ("effects", "tree"),
        ("runs", "ls"),
        ("runs", "show"),
    ):
        words = said(capsys, *command)
        assert words
        assert not {"\x1b", "\x07", "\x9b"} & set(words), command


def test_a_terminal_gets_colours_by_state(lab: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain = said(capsys, "effects", "tree")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    coloured = said(capsys, "effects", "tree")
    assert "\x1b[1;35min doubt" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_agents_are_listed_also_when_their_names_were_erased(capsys: pytest.CaptureFixture[str]) -> None:
    story = Story()
    story.begin()
    story.launch("Lab", "lab")
    story.keep(home())
    assert [agent["name"] for agent in told(capsys, "agents", "ls")] == ["lab"]
    erase(2)
    assert [agent["name"] for agent in told(capsys, "agents", "ls")] == ["Lab"]


def test_a_full_id_reads_one_tree_and_finds_the_same(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    other = Story(1)
    other.begin()
    other.keep(home())
    for command in (("effects", "show"), ("effects", "why")):
        assert told(capsys, *command, lab.measure) == told(capsys, *command, lab.measure[-12:])
    assert told(capsys, "effects", "tree", lab.ask) == told(capsys, "effects", "tree", lab.ask[-12:])


def test_a_damaged_entry_is_a_defect(lab: Told, capsys: pytest.CaptureFixture[str]) -> None:
    file = sqlite3.connect(home() / "ledger.sqlite")
    file.execute("UPDATE entries SET body = x'00' WHERE seq = 4")
    file.commit()
    file.close()
    for command in (("effects", "ls"), ("effects", "tree"), ("effects", "export"), ("runs", "ls")):
        assert "entry 4 does not hold a record" in refused(capsys, *command, exit_code=7)


def erase(*seqs: int) -> None:
    """As a person does who must, for privacy."""

    async def out() -> None:
        ledger = SqliteLedger.open(home() / "ledger.sqlite")
        ledger.append(Erasure(seqs=seqs, who="ada"))
        await ledger.erase(seqs)
        await ledger.close()

    asyncio.run(out())
