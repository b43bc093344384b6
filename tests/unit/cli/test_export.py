"""The record for other programs: an effect a line, a table, or W3C PROV."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from bailiwick.effects import Cost, EffectClass, Fidelity, Status
from bailiwick.ids import EffectId, agent_of
from tests.story import Story
from tests.unit.cli.commands import home, refused, said


@pytest.fixture
def story() -> Story:
    """Two runs of the same, of which the first fetched, measured, booked and took that back, failed once, and did not end."""
    first, second = Story(), Story(1)
    first.begin(samples=3)
    launch = first.launch("Lab", "lab")
    fetch = first.use("fetch", value="CCO", kind=EffectClass.READ)
    ask = first.ask("Lab.weigh", to=launch, of=[fetch], sample="CCO")
    first.use("measure", ask, value=0, of=[fetch], fidelity=Fidelity.APPROXIMATE, cost=Cost(cpu_s=2.0), sample="=1+1")
    first.end(ask, 0)
    book = first.use("book", kind=EffectClass.COMPENSABLE, value={"id": 3})
    first.undo(book)
    first.end(first.use("fail", is_open=True), "broken", status=Status.FAILED)
    second.begin(samples=4)
    second.end(second.root, 4)
    for one in (first, second):
        one.keep(home())
    return first


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_effect_is_a_line_when_it_ended_and_what_is_open_comes_last(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    exported = lines(said(capsys, "effects", "export"))
    assert [effect["tool"] for effect in exported] == [
        "Lab",
        "fetch",
        "measure",
        "Lab.weigh",
        "book",
        "undo",
        "fail",
        "run:/lab/lab.py",
        "run:/lab/lab.py",
    ]
    assert [effect["state"] for effect in exported][-3:] == ["failed", "done", "open"]
    assert exported[1]["value"] == "CCO"
    assert exported[2]["caused_by"] == [exported[1]["id"]]
    assert exported[6]["failure"]["message"] == "broken"


def test_a_line_is_what_show_prints_of_the_same_effect(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    for effect in lines(said(capsys, "effects", "export")):
        shown = json.loads(said(capsys, "effects", "show", effect["id"], "--json"))
        unseen = {"state", "undone_by"}  # The line was written before the undo.
        assert {key: value for key, value in effect.items() if key not in unseen} == {
            key: value for key, value in shown.items() if key in effect and key not in unseen
        }


def test_payloads_can_be_left_out_in_every_format(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("jsonl", "csv", "prov"):
        assert "CCO" in said(capsys, "effects", "export", "--format", form)
        bare = said(capsys, "effects", "export", "--format", form, "--no-payloads")
        assert "measure" in bare
        assert not {secret for secret in ("CCO", "broken", "1+1") if secret in bare}


def test_a_run_can_be_exported_by_itself(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (story.run, story.root, story.run[-20:]):
        if name == story.run[-20:]:
            assert "give more of it" in refused(capsys, "effects", "export", "--run", name)  # Both stories end alike.
            continue
        assert {effect["id"][4:16] for effect in lines(said(capsys, "effects", "export", "--run", name))} == {story.run[4:16]}
    assert "no effect" in refused(capsys, "effects", "export", "--run", "ffff")


def test_a_table_has_a_column_for_each_cost_and_every_row(story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "effects.csv"
    assert said(capsys, "effects", "export", "--format", "csv", "--out", str(out)) == ""
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tool"] for row in rows].count("run:/lab/lab.py") == 2
    measure = next(row for row in rows if row["tool"] == "measure")
    assert (measure["cpu_s"], measure["tokens"], measure["fidelity"], measure["value"]) == ("2.0", "0", "approximate", "0")
    assert json.loads(measure["arguments"]) == {"sample": "=1+1"}
    assert all(not str(cell).startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_where_nothing_can_be_written_is_said(story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no such folder" in refused(capsys, "effects", "export", "--out", str(tmp_path / "no" / "file"))
    assert "cannot be written" in refused(capsys, "effects", "export", "--out", str(tmp_path))


def test_prov_joins_effects_results_agents_and_people(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "effects", "export", "--format", "prov", "--run", story.run))
    by_tool: dict[str, EffectId] = {effect.intent.tool: effect.intent.id for effect in story.folded().values()}
    measure, fetch, launch, book = (f"bw:{by_tool[tool]}" for tool in ("measure", "fetch", "Lab", "book"))
    lab = f"bw:{agent_of(by_tool['Lab'])}"
    assert set(document["activity"]) == {f"bw:{effect}" for effect in story.folded()}
    assert document["activity"][measure]["bw:cpu_s"] == 2.0
    assert document["entity"][f"{measure}.result"]["bw:fidelity"] == "approximate"
    assert {"prov:activity": measure, "prov:entity": f"{fetch}.result"} in document["used"].values()
    assert {"prov:activity": measure, "prov:agent": lab} in document["wasAssociatedWith"].values()
    assert {"prov:activity": measure, "prov:starter": f"bw:{by_tool['Lab.weigh']}"} in document["wasStartedBy"].values()
    assert {"prov:entity": f"{book}.result", "prov:activity": f"bw:{by_tool['undo']}"} in document["wasInvalidatedBy"].values()
    assert {"prov:delegate": lab, "prov:responsible": f"bw:{story.agent}"} in document["actedOnBehalfOf"].values()
    person = {"prov:delegate": f"bw:{story.agent}", "prov:responsible": "bw:principal.ada%40analytical"}
    assert person in document["actedOnBehalfOf"].values()
    assert document["agent"]["bw:principal.ada%40analytical"]["prov:label"] == "ada@analytical"
    generated = {relation["prov:entity"]: relation["prov:activity"] for relation in document["wasGeneratedBy"].values()}
    assert generated[f"{launch}.result"] == launch


def test_prov_names_nothing_that_it_does_not_define(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(said(capsys, "effects", "export", "--format", "prov"))
    defined = set(document["activity"]) | set(document["entity"]) | set(document["agent"])
    told = [
        name
        for section in ("wasGeneratedBy", "used", "wasInvalidatedBy", "wasStartedBy", "wasAssociatedWith", "actedOnBehalfOf")
        for relation in document[section].values()
        for key, name in relation.items()
        if key not in ("prov:time", "prov:role")
    ]
    assert told
    assert set(told) <= defined
