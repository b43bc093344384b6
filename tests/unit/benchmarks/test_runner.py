"""The runner of benchmarks: what is chosen, judged and printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.__main__ import Row, choose, main, measure_all
from benchmarks.figure import Budget, Figure, of_rounds, read_budgets


def _budget(text: str, folder: Path) -> Budget:
    path = folder / "budgets.toml"
    path.write_text(text, encoding="utf-8")
    return next(iter(read_budgets(path).values()))


def test_ratio_is_above_one_for_the_better_whichever_way_is_good() -> None:
    assert Figure(value=10, unit="µs", better="lower", peer_value=30).ratio == 3
    assert Figure(value=30, unit="/s", better="higher", peer_value=10).ratio == 3
    assert Figure(value=30, unit="/s", peer_value=10).ratio is None
    assert Figure(value=30, unit="/s", better="higher").ratio is None


def test_rounds_make_a_median_with_its_range() -> None:
    figure = of_rounds([3, 1, 2], "s", better="lower")
    assert (figure.low, figure.value, figure.high) == (1, 2, 3)


def test_budget_on_a_ratio_cannot_be_judged_without_the_peer(tmp_path: Path) -> None:
    budget = _budget("[a.b]\nratio = { at_least = 3 }", tmp_path)
    assert budget.holds(Figure(value=10, unit="µs", better="lower", peer="x: not installed")) is None
    assert budget.holds(Figure(value=10, unit="µs", better="lower", peer="x", peer_value=31)) is True
    assert budget.holds(Figure(value=10, unit="µs", better="lower", peer="x", peer_value=29)) is False


def test_broken_value_is_broken_even_without_the_peer(tmp_path: Path) -> None:
    budget = _budget("[a.b]\nratio = { at_least = 3 }\nvalue = { at_most = 20 }", tmp_path)
    assert budget.holds(Figure(value=21, unit="µs", better="lower")) is False
    assert str(budget) == "ratio ≥ 3 and value ≤ 20"


def test_budget_in_another_unit_than_the_figure_is_an_error(tmp_path: Path) -> None:
    budget = _budget('[a.b]\nunit = "ms"\nvalue = { at_most = 1 }', tmp_path)
    with pytest.raises(ValueError, match="the budget is in ms, the figure in µs"):
        budget.holds(Figure(value=900, unit="µs"))


@pytest.mark.parametrize("line", ["value = { at_mots = 1 }", "vlaue = { at_most = 1 }", "value = 3"])
def test_unknown_key_in_a_budget_is_named(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"budgets\.toml: \[a\.b\]: .*(at_mots|vlaue|value)"):
        _budget(f"[a.b]\n{line}", tmp_path)


def test_row_has_the_promised_keys() -> None:
    row = Row("a.b", Budget(), Figure(value=1.5, unit="µs"))
    expected = ["name", "value", "unit", "low", "high", "peer", "peer_value", "ratio", "budget", "holds"]
    assert list(json.loads(row.as_json())) == expected
    assert json.loads(row.as_json())["holds"] is None


def test_figure_that_raises_is_reported_and_the_others_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> Figure:
        raise RuntimeError("no disk")

    rows = list(measure_all({"a.bad": fails, "a.good": lambda: Figure(value=1, unit="s")}, {}))
    assert [row.error for row in rows] == ["RuntimeError: no disk", None]
    assert json.loads(rows[0].as_json())["error"] == "RuntimeError: no disk"
    assert "no disk" in capsys.readouterr().err


def test_unknown_folder_is_refused_in_one_line_that_lists_the_folders(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.__main__.folders", lambda: ["agents", "ledger"])
    with pytest.raises(SystemExit) as left:
        main(["agnets"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "did you mean `agents`? there are: agents, ledger" in said


def test_unknown_figure_is_refused_with_the_figures_of_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.__main__.folders", lambda: ["agents"])
    monkeypatch.setattr("benchmarks.__main__.figures", lambda folder, full: {"agents.round_trip": lambda: Figure(value=1, unit="s")})
    with pytest.raises(LookupError, match=r"did you mean `agents\.round_trip`\?"):
        choose("agents.round_tripp", full=False)
    assert list(choose("agents.round_trip", full=False)) == ["agents.round_trip"]


def test_peer_that_is_not_installed_is_reported_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
    peer = peers.run.__wrapped__("academy")
    assert peer.label == "academy-py: not installed; run make bench-peers"
    assert peer.get("round_trip_us") is None


def test_peer_that_fails_is_reported_with_its_last_word(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "academy" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\necho 'ImportError: no academy' >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setattr(peers, "ENVIRONMENTS", tmp_path)
    assert peers.run.__wrapped__("academy").label == "academy-py: failed: ImportError: no academy"
