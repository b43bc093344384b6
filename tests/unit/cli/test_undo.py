"""``bailiwick effects undo``: plan, question, what came of it, exit code."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bailiwick
from bailiwick import compensable, tool
from bailiwick.bailiff import load, open_bailiwick, read_ledger
from bailiwick.cli.app import run
from bailiwick.cli.undo import undo as command
from bailiwick.effects import fold
from bailiwick.errors import Defect
from bailiwick.tools import read_file, write_file

shut: list[str] = []


def release(name: str, result: str | None) -> None:
    if name in shut:
        raise OSError(f"{name} is shut")


@tool(effect=compensable(undo=release))
async def take(name: str) -> str:
    return name


@tool(effect="irreversible")
async def send(to: str) -> str:
    return to


@pytest.fixture(autouse=True)
def _open() -> None:
    shut.clear()


@pytest.fixture
def done(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Do something on a record in a home of its own, and return what stands on it of tools."""

    def do(*calls: tuple[Any, ...]) -> list[dict[str, Any]]:
        async def whole() -> None:
            charter = bailiwick.Charter(allow=(bailiwick.Rule(),))
            async with bailiwick.session(charter=charter) as bw:
                last: Any = None
                for used, *args in calls:
                    last = await bw.use(used, *(last if arg is ... else arg for arg in args))

        asyncio.run(whole())
        return [effect for effect in recorded() if effect["kind"] == "tool"]

    return do


def recorded() -> list[dict[str, Any]]:
    reader = read_ledger(load())
    try:
        effects = fold((entry.seq, entry.record) for entry in reader.entries())
    finally:
        asyncio.run(reader.close())
    return [{"id": e.intent.id, "run": e.intent.run, "kind": e.intent.kind.value, "state": e.state} for e in effects.values()]


def undo(*arguments: str) -> int:
    return run(["effects", "undo", *arguments])


def test_the_plan_is_shown_and_nothing_is_done(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, _, sent, _ = done((take, "a"), (take, "b"), (send, "x"), (read_file, __file__))
    assert undo("--run", first["run"], "--plan") == 0
    out = capsys.readouterr().out
    assert out.index('take(name="b")') < out.index('take(name="a")')
    assert f"{sent['id']}" in out
    assert "it is irreversible" in out
    assert "1 × it changed nothing" in out
    assert {effect["state"] for effect in recorded()} == {"done"}


def test_what_was_done_is_taken_back_and_saying_it_again_does_nothing(
    done: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    os.utime(file, ns=(10**18, 10**18))
    (written,) = done((write_file, str(file), "new"))
    assert file.read_text() == "new"
    assert undo(written["id"][-8:], "--yes") == 0
    assert (file.read_text(), file.stat().st_mtime_ns) == ("old", 10**18)
    assert "undone" in capsys.readouterr().out
    assert undo(written["id"], "--yes") == 0
    assert capsys.readouterr().err == "nothing to take back\n"


def test_who_undoes_a_run_that_has_not_ended_is_told_that_it_cannot_be_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    async def cut_off(bw: bailiwick.Bailiwick) -> None:
        await bw.use(take, "a")
        raise Defect("it leaves the run open")

    async def whole() -> None:
        async with open_bailiwick(load()) as bw:
            with pytest.raises(Defect):
                await bw.run(cut_off)

    asyncio.run(whole())
    assert undo("--since", "1d", "--plan") == 0
    assert f"{recorded()[0]['run']} has not ended: once this is done it cannot be resumed" in capsys.readouterr().out


def test_json_is_one_document_with_plan_and_results(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, sent = done((take, "a"), (take, "b"), (send, "x"))
    assert undo("--run", first["run"], "--yes", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [step["id"] for step in document["steps"]] == [second["id"], first["id"]]
    assert {stay["id"]: stay["why"] for stay in document["stays"]}[sent["id"]] == "it is irreversible"
    assert [(one["effect"], one["state"]) for one in document["undone"]] == [(second["id"], "undone"), (first["id"], "undone")]


def test_without_anybody_to_ask_it_needs_a_yes(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = done((take, "a"))
    assert undo(first["id"]) == 3
    assert "there is nobody here to ask; say --yes" in capsys.readouterr().err


def test_a_no_undoes_nothing(done: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = done((take, "a"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert undo(first["id"]) == 1
    assert recorded()[1]["state"] == "done"


def test_what_later_effects_depend_on_needs_force(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, later = done((take, "a quite long name"), (take, ...))
    assert undo(first["id"], "--yes") == 3
    told = capsys.readouterr()
    assert later["id"] in told.out
    assert "1 later effects depend on what would be taken back" in told.err
    assert undo(first["id"], "--yes", "--force") == 0
    assert undo(first["id"], later["id"], "--yes") == 0


def test_what_cannot_be_taken_back_is_refused_with_the_reason(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (sent,) = done((send, "x"))
    assert undo(sent["id"], "--yes") == 3
    assert capsys.readouterr().err.strip() == f"bailiwick: nothing was undone: `send` {sent['id']}: it is irreversible"


def test_a_failure_stands_is_listed_and_has_the_exit_code_of_what_is_unsettled(
    done: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: Any) -> None:
        return

    monkeypatch.setattr("bailiwick.clock.SystemClock.sleep", at_once)
    first, second = done((take, "a"), (take, "b"))
    shut.append("b")
    assert undo("--run", first["run"], "--yes") == 6
    told = capsys.readouterr()
    assert f"`take` {second['id']} could not be taken back, and stands: b is shut. Look at what it touched" in told.err
    assert "not tried" in told.out
    assert run(["effects", "ls", "--state", "undo-failed", "--json"]) == 0
    assert [effect["id"] for effect in json.loads(capsys.readouterr().out)] == [second["id"]]
    assert undo("--run", first["run"], "--yes", "--keep-going") == 6
    assert {effect["id"]: effect["state"] for effect in recorded()}[first["id"]] == "undone"
    shut.clear()
    assert undo("--run", first["run"], "--yes") == 0
    assert {effect["id"]: effect["state"] for effect in recorded()}[second["id"]] == "undone"


def test_an_edit_that_would_be_lost_is_a_conflict(done: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (written,) = done((write_file, str(tmp_path / "a"), "new"))
    (tmp_path / "a").write_text("edited")
    assert undo(written["id"], "--yes") == 3
    assert "undoing that would lose a later change" in capsys.readouterr().err
    assert (tmp_path / "a").read_text() == "edited"


def test_since_takes_a_time_or_how_long_ago(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    done((take, "a"))
    for since, count in (("10m", 1), ("2099-01-01", 0), ("2001-01-01T00:00+02:00", 1)):
        assert undo("--since", since, "--plan", "--json") == 0
        assert len(json.loads(capsys.readouterr().out)["steps"]) == count
    assert undo("--since", "yesterday") == 3
    assert "give 90s, 10m, 2h or 3d ago" in capsys.readouterr().err


def test_what_is_not_said_or_not_there_is_bad_input(done: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = done((take, "a"), (take, "b"))
    for arguments, complaint in (
        ((), "say what to take back: an ID, --run RUN or --since TIME"),
        (("nowhere",), "no effect on record has an id that begins or ends with nowhere"),
        ((first["id"][:12],), "give more of it"),
        (("--run", "nowhere"), "no run on record"),
    ):
        assert undo(*arguments) == 3
        assert complaint in capsys.readouterr().err


SCRIPT = """
from bailiwick import Bailiwick, compensable, tool


def back(name: str) -> None:
    open(name + ".back", "w").close()


@tool(effect=compensable(undo=back))
def lay(name: str) -> str:
    return name


async def main(bw: Bailiwick, name: str) -> str:
    return await bw.use(lay, name)
"""


def test_tools_of_a_script_are_found_where_the_record_says_or_where_the_user_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "script_that_is_undone.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr("sys.modules", dict(__import__("sys").modules))
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    for name in "ab":
        assert run(["run", str(script), str(tmp_path / name)]) == 0
        __import__("sys").modules.pop(script.stem)
    first, second = (effect["id"] for effect in recorded() if effect["kind"] == "tool")
    assert undo(first, "--yes") == 0
    assert (tmp_path / "a.back").exists()
    __import__("sys").modules.pop(script.stem)
    elsewhere = script.rename(tmp_path / "moved_elsewhere.py")
    capsys.readouterr()
    assert undo(second, "--yes") == 3
    assert "nothing was undone: `lay` (script_that_is_undone:lay) was not found" in capsys.readouterr().err
    assert undo(second, "--yes", "--import", str(elsewhere)) == 0
    assert (tmp_path / "b.back").exists()


def test_help_has_examples() -> None:
    assert "effects undo --since 10m --yes" in (command.help or "")


def test_what_is_kept_to_undo_can_be_deleted_by_age(done: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text("old")
    (written,) = done((write_file, str(tmp_path / "a"), "new"))
    for before, count in (("1d", 0), ("2099-01-01", 1), ("1d", 0)):
        assert run(["effects", "tidy", str(tmp_path), "--before", before]) == 0
        assert capsys.readouterr().out.startswith(f"{count} files")
    assert undo(written["id"], "--yes") == 3
    assert "not kept any more" in capsys.readouterr().err
    assert run(["effects", "tidy", str(tmp_path / "missing")]) == 3
