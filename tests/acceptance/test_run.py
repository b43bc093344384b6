"""``bailiwick run``, ``agents`` and ``effects``, as a person uses them; and every way in which input can be bad."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance.commands import COMMAND, bailiwick, complaint, environment, start

SCRIPT = """
import asyncio
from pathlib import Path
from bailiwick import Agent, Bailiwick, action, tool

@tool(effect="pure", where="process")
def square(number: int) -> int:
    with open("acts.txt", "a") as file:
        file.write(f"{number}\\n")
    return number * number

@tool
def send(text: str) -> None:
    Path("sent.txt").write_text(text)

class Squarer(Agent):
    total: int = 0

    @action(exclusive=True)
    async def add(self, number: int) -> int:
        self.total += await self.use(square, number)
        return self.total

async def main(bw: Bailiwick, count: int, pause: float = 0.0) -> int:
    squarer = await bw.launch(Squarer, name="squarer")
    for number in range(count):
        total = await squarer.add(number)
        await asyncio.sleep(pause)
    return total
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "squares.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_runs_and_its_effects_can_be_looked_at(script: Path, tmp_path: Path) -> None:
    assert bailiwick("run", "squares.py", "4", home=tmp_path).stdout == "14\n"
    effects = json.loads(bailiwick("effects", "ls", "--json", home=tmp_path).stdout)
    assert [effect["tool"] for effect in effects].count("square") == 4
    assert {effect["state"] for effect in effects} == {"done"}
    last = next(effect for effect in reversed(effects) if effect["tool"] == "square")
    whole = json.loads(bailiwick("effects", "show", last["id"], "--json", home=tmp_path).stdout)
    assert (whole["arguments"], whole["value"]) == ({"number": 3}, 9)
    agents = json.loads(bailiwick("agents", "ls", "--json", home=tmp_path).stdout)
    assert [(agent["name"], agent["class"], agent["asked"], agent["effects"]) for agent in agents] == [("squarer", "Squarer", 4, 4)]
    verified = json.loads(bailiwick("effects", "verify", "--json", home=tmp_path).stdout)
    assert verified["intact"] is True
    assert "squarer" in bailiwick("agents", "ls", home=tmp_path).stdout
    assert "square" in bailiwick("effects", "ls", home=tmp_path).stdout


def test_a_killed_script_resumes_and_does_nothing_twice(script: Path, tmp_path: Path) -> None:
    running = start("run", "squares.py", "12", "0.1", home=tmp_path)
    acts = tmp_path / "acts.txt"
    while not acts.exists() or len(acts.read_text().splitlines()) < 4:
        time.sleep(0.02)
        assert running.poll() is None
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    done = json.loads(bailiwick("effects", "ls", "--tool", "square", "--state", "done", "--json", home=tmp_path).stdout)
    finished = [json.loads(bailiwick("effects", "show", e["id"], "--json", home=tmp_path).stdout)["arguments"]["number"] for e in done[:2]]
    before = acts.read_text().splitlines()
    assert bailiwick("run", "squares.py", "--resume", home=tmp_path).stdout == "506\n"
    again = acts.read_text().splitlines()[len(before) :]
    assert not {str(number) for number in finished} & set(again)
    assert len(before) + len(again) <= 13
    assert bailiwick("run", "squares.py", "--resume", home=tmp_path).stdout == "506\n"


def test_ctrl_c_ends_in_good_order_and_says_how_to_go_on(script: Path, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*COMMAND, "run", "squares.py", "1000", "0.05"], env=environment(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "acts.txt").exists():
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "Go on with: bailiwick run squares.py --resume" in said
    assert "Traceback" not in said


def test_an_irreversible_tool_needs_a_charter(script: Path, tmp_path: Path) -> None:
    script.write_text(SCRIPT + '\nasync def main(bw):\n    await bw.use(send, "hello")\n')
    said = complaint(bailiwick("run", "squares.py", home=tmp_path), 3)
    assert "`send` (irreversible) was not done: no rule of the charter allows it" in said
    assert not (tmp_path / "sent.txt").exists()
    (tmp_path / "charter.toml").write_text('[[allow]]\ntool = "send"\n')
    assert bailiwick("run", "squares.py", "--charter", "charter.toml", home=tmp_path).returncode == 0
    assert (tmp_path / "sent.txt").read_text() == "hello"


def test_a_budget_in_the_charter_is_kept(script: Path, tmp_path: Path) -> None:
    (tmp_path / "charter.toml").write_text('[[allow]]\neffect = "pure"\n[budget.calls]\nsquare = 2\n')
    said = complaint(bailiwick("run", "squares.py", "5", "--charter", "charter.toml", home=tmp_path), 3)
    assert "the budget for calls.square is 2" in said
    assert (tmp_path / "acts.txt").read_text().split() == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("run", "missing.py"), 3, "missing.py: no such file"),
        (("run", "squares.py", "four"), 3, "argument count='four'"),
        (("run", "squares.py"), 3, "needs `count`"),
        (("run", "squares.py", "1", "--charter", "missing.toml"), 3, "missing.toml: no such file"),
        (("run", "squares.py", "--resume"), 3, "nothing to resume"),
        (("effects", "ls"), 3, "no"),
        (("effects", "verify"), 3, "no"),
        (("agents", "ls"), 3, "no"),
    ],
)
def test_bad_input_gets_one_line_and_an_exit_code(
    arguments: tuple[str, ...], exit_code: int, words: str, script: Path, tmp_path: Path
) -> None:
    assert words in complaint(bailiwick(*arguments, home=tmp_path), exit_code)
    assert not (tmp_path / "acts.txt").exists()


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("bailiwick.toml", "hom = '/x'", "bailiwick.toml: unknown key `hom`; did you mean `home`?"),
        ("bailiwick.toml", "workers = 'many'", "bailiwick.toml: Expected `int`, got `str` - at `$.workers`"),
        ("bailiwick.toml", "[[charter.allow]]\ntol = '*'", "unknown key `tol` in charter.allow[0]; did you mean `tool`?"),
        ("bailiwick.toml", "workers = ", "bailiwick.toml: cannot be read"),
        ("charter.toml", "[[alow]]\ntool = '*'", "charter.toml: unknown key `alow`; did you mean `allow`?"),
        ("charter.toml", "[[allow]]\neffect = 'harmless'", "Invalid enum value 'harmless'"),
        ("charter.toml", "[budget]\nusd = 'much'", "Expected `float"),
    ],
)
def test_a_bad_settings_file_names_the_key(file: str, text: str, words: str, script: Path, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    more = ("--charter", file) if file == "charter.toml" else ()
    assert words in complaint(bailiwick("run", "squares.py", "1", *more, home=tmp_path), 3)
    assert not (tmp_path / "acts.txt").exists()


def test_a_bad_environment_variable_is_named(script: Path, tmp_path: Path) -> None:
    said = complaint(bailiwick("run", "squares.py", "1", home=tmp_path, BAILIWICK_WORKERS="two"), 3)
    assert "BAILIWICK_WORKERS=two" in said


def test_a_home_that_cannot_be_written_is_unavailable(script: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = complaint(bailiwick("run", "squares.py", "1", "--home", str(tmp_path / "file" / "state"), home=tmp_path), 4)
    assert str(tmp_path / "file" / "state") in said


def test_a_ledger_that_is_none_is_a_defect_and_stays_as_it_was(script: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "state" / "ledger.sqlite"
    ledger.parent.mkdir()
    ledger.write_bytes(b"not a ledger at all" * 500)
    before = ledger.read_bytes()
    for arguments in (("run", "squares.py", "1"), ("effects", "ls"), ("effects", "verify")):
        assert str(ledger) in complaint(bailiwick(*arguments, home=tmp_path), 7)
    assert ledger.read_bytes() == before


def test_an_edited_entry_is_found(script: Path, tmp_path: Path) -> None:
    assert bailiwick("run", "squares.py", "3", home=tmp_path).returncode == 0
    ledger = sqlite3.connect(tmp_path / "state" / "ledger.sqlite")
    body = ledger.execute("SELECT body FROM entries WHERE seq = 5").fetchone()[0]
    ledger.execute("UPDATE entries SET body = ? WHERE seq = 5", (body[:-1] + bytes([body[-1] ^ 1]),))
    ledger.commit()
    ledger.close()
    assert "entry 5 was edited" in complaint(bailiwick("effects", "verify", home=tmp_path), 7)


def test_a_full_disk_stops_the_run_loses_nothing_and_the_run_resumes(script: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount the small file system that this test fills")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        said = complaint(bailiwick("run", "squares.py", "2000", "--home", str(small), home=tmp_path), 4)
        assert "full" in said
        done = bailiwick("effects", "ls", "--home", str(small), "--tool", "square", "--state", "done", "--json", home=tmp_path)
        assert json.loads(done.stdout)
        subprocess.run(["mount", "-o", "remount,size=16m", str(small)], check=True)
        assert bailiwick("run", "squares.py", "--resume", "--home", str(small), home=tmp_path).stdout == "2664667000\n"
        assert bailiwick("effects", "verify", "--home", str(small), home=tmp_path).returncode == 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_completion_is_printed_for_each_shell(tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_BAILIWICK_COMPLETE" in bailiwick("completion", shell, home=tmp_path).stdout


def test_help_has_examples_everywhere(tmp_path: Path) -> None:
    for command in ((), ("run",), ("effects",), ("agents",), ("demo",), ("completion",)):
        shown = bailiwick(*command, "--help", home=tmp_path)
        assert shown.returncode == 0
        assert "Examples:" in shown.stdout


def test_a_script_without_an_async_main_says_so(script: Path, tmp_path: Path) -> None:
    for text in ("def main(bw): ...\n", "main = 3\n", "x = 1\n"):
        script.write_text(text)
        assert "defines no `async def main(bw, ...)`" in complaint(bailiwick("run", "squares.py", home=tmp_path), 3)
