"""An irreversible tool is killed in the middle: its run waits until somebody looks and says what came of it (invariant 3)."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import bailiwick, complaint, start

SCRIPT = """
import time
from pathlib import Path
from bailiwick import Agent, Bailiwick, action, tool

@tool
def pay(amount: int) -> dict[str, int]:
    with Path("paid.txt").open("a") as file:
        file.write(f"{amount}\\n")
    if Path("hang").exists():
        time.sleep(600)
    return {"receipt": amount + 1}

class Clerk(Agent):
    @action
    async def settle_up(self, amount: int) -> int:
        return (await self.use(pay, amount))["receipt"]

async def main(bw: Bailiwick) -> int:
    clerk = await bw.launch(Clerk, name="clerk")
    try:
        return await clerk.settle_up(7) + await clerk.settle_up(100)
    except RuntimeError:
        return -1
"""
CHARTER = '[[allow]]\ntool = "pay"\n'
RESUME = ("run", "bills.py", "--resume", "--charter", "charter.toml")


@pytest.fixture
def in_doubt(tmp_path: Path) -> dict[str, Any]:
    """The effect that `kill -9` left behind, as ``effects ls --json`` has it."""
    (tmp_path / "bills.py").write_text(SCRIPT)
    (tmp_path / "charter.toml").write_text(CHARTER)
    (tmp_path / "hang").touch()
    running = start("run", "bills.py", "--charter", "charter.toml", home=tmp_path)
    while not (tmp_path / "paid.txt").exists():
        time.sleep(0.02)
        assert running.poll() is None
    under_way = json.loads(bailiwick("effects", "ls", "--tool", "pay", "--json", home=tmp_path).stdout)
    assert [effect["in_doubt"] for effect in under_way] == [False]
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (tmp_path / "hang").unlink()
    [effect] = json.loads(bailiwick("effects", "ls", "--tool", "pay", "--state", "open", "--json", home=tmp_path).stdout)
    assert effect["in_doubt"]
    return effect


def paid(home: Path) -> list[str]:
    return (home / "paid.txt").read_text().split()


def test_a_run_in_doubt_stops_with_six_and_goes_on_once_somebody_said_that_it_happened(in_doubt: dict[str, Any], tmp_path: Path) -> None:
    said = complaint(bailiwick(*RESUME, home=tmp_path), 6)
    assert f"bailiwick effects settle {in_doubt['id']}" in said
    assert paid(tmp_path) == ["7"]
    listed = bailiwick("effects", "ls", "--state", "open", home=tmp_path)
    assert "irreversible" in listed.stdout
    assert "in doubt" in listed.stdout
    assert "for " in listed.stdout
    assert f"bailiwick effects settle {in_doubt['id']}" in listed.stderr
    assert json.loads(bailiwick("runs", "ls", "--json", home=tmp_path).stdout)[0]["state"] == "in doubt"
    done = bailiwick(
        "effects", "settle", in_doubt["id"][-12:], "--done", '{"receipt": 8}', "--why", "it is in the bank", "--yes", home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "pay(amount=7)" in done.stdout
    assert "bills.py --resume" in done.stdout
    assert bailiwick(*RESUME, home=tmp_path).stdout == f"{8 + 101}\n"
    assert paid(tmp_path) == ["7", "100"]
    whole = json.loads(bailiwick("effects", "show", in_doubt["id"], "--json", home=tmp_path).stdout)
    assert whole["settlement"]["by"] == "person"
    assert whole["settlement"]["who"]
    assert whole["settlement"]["why"] == "it is in the bank"
    assert bailiwick("effects", "verify", home=tmp_path).returncode == 0


def test_what_may_be_tried_again_is_tried_once_more(in_doubt: dict[str, Any], tmp_path: Path) -> None:
    attempt = json.loads(bailiwick("effects", "settle", in_doubt["id"], "--retry", "--yes", "--json", home=tmp_path).stdout)
    assert (attempt["number"], attempt["begun"]) == (2, False)
    assert "may be tried again already" in complaint_at_the_end(tmp_path, "settle", in_doubt["id"], "--retry", "--yes")
    assert bailiwick(*RESUME, home=tmp_path).stdout == f"{8 + 101}\n"
    assert paid(tmp_path) == ["7", "7", "100"]
    shown = bailiwick("effects", "show", in_doubt["id"], home=tmp_path).stdout
    assert "try 2" in shown


def test_a_run_is_told_that_its_effect_failed(in_doubt: dict[str, Any], tmp_path: Path) -> None:
    assert bailiwick("effects", "settle", in_doubt["id"], "--failed", "the bank never saw it", "--yes", home=tmp_path).returncode == 0
    said = complaint(bailiwick(*RESUME, home=tmp_path), 5)
    assert "the bank never saw it" in said
    assert paid(tmp_path) == ["7"]


def test_a_value_that_the_tool_cannot_have_returned_is_refused(in_doubt: dict[str, Any], tmp_path: Path) -> None:
    for value in ('"seven"', "7", "{", '{"receipt": "eight"}'):
        said = complaint_at_the_end(tmp_path, "settle", in_doubt["id"], "--done", value, "--yes")
        assert "nothing was recorded" in said
    assert json.loads(bailiwick("effects", "ls", "--state", "open", "--tool", "pay", "--json", home=tmp_path).stdout)


def test_nothing_is_recorded_without_a_clear_word(in_doubt: dict[str, Any], tmp_path: Path) -> None:
    assert "say one of" in complaint_at_the_end(tmp_path, "settle", in_doubt["id"], "--yes")
    assert "say one of" in complaint_at_the_end(tmp_path, "settle", in_doubt["id"], "--retry", "--failed", "no", "--yes")
    assert "nobody here to ask" in complaint_at_the_end(tmp_path, "settle", in_doubt["id"], "--retry")
    root = json.loads(bailiwick("runs", "ls", "--json", home=tmp_path).stdout)[0]["run"]
    assert "resume its run" in complaint_at_the_end(tmp_path, "settle", root, "--retry", "--yes")


def complaint_at_the_end(home: Path, *arguments: str) -> str:
    done = bailiwick("effects", *arguments, home=home)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]
