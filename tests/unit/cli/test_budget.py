"""``bailiwick budget tree`` over a record made by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bailiwick.cli.budget import budget
from bailiwick.effects import Cost, EffectClass, Kind
from tests.story import Story
from tests.unit.cli.commands import home


@pytest.fixture
def story() -> Story:
    """A run launches a lab, gives it a budget and asks it; both spend."""
    story = Story()
    story.begin()
    given = {"name": "lab", "terms": {"budget": {"usd": 1.0, "calls": {"meas*": 3}}}}
    lab = story._intend(Kind.SPAWN, "Lab", EffectClass.IDEMPOTENT, None, (), given)
    story.end(lab)
    ask = story.ask("Lab.weigh", to=lab)
    story.use("measure", ask, value=1, cost=Cost(cpu_s=2.0, usd=0.25))
    story.use("measure", ask, value=1, cost=Cost(usd=0.25, node_s=1_800.0))
    story.end(ask, 2.5)
    story.use("pay", kind=EffectClass.IRREVERSIBLE, cost=Cost(usd=3.0), value=1)
    story.use("chat", is_open=True)
    story.keep(home())
    return story


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    budget.main([*arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_each_agent_counts_what_those_below_it_spent(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = json.loads(printed(capsys, "tree", "--json"))
    root, lab = rows
    assert (root["agent"], root["above"], lab["above"]) == (story.agent, None, story.agent)
    assert (root["spent"]["usd"], root["spent_itself"]["usd"], lab["spent"]["usd"]) == (3.5, 3.0, 0.5)
    assert (root["irreversible"], root["spawns"], root["under_way"]) == (1, 1, ["chat"])
    assert (lab["given"], lab["left"]) == ({"usd": 1.0, "calls.meas*": 3}, {"usd": 0.5, "calls.meas*": 1})


def test_what_the_run_was_given_is_what_its_settings_say(
    story: Story, capsys: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bailiwick.toml").write_text("[budget]\nusd = 10\nnode_hours = 2\nirreversible = 1\n", encoding="utf-8")
    root = json.loads(printed(capsys, "tree", story.run, "--json"))[0]
    assert root["left"] == {"usd": 6.5, "node_hours": 1.5, "irreversible": 0}


def test_people_see_an_outline(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    words = printed(capsys, "tree")
    assert "└─ lab" in words
    assert "usd 0.5 of 1" in words
    assert "0.5 node hours" in words
    assert "chat" in words
