"""What waits for people survives `kill -9`, is decided on while nothing runs or while something does, and is done once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.acceptance.commands import COMMAND, PATIENCE_S, bailiwick, environment

ROOT = Path(__file__).parents[2]
DAY_S = 86_400


def inbox(*arguments: str, home: Path) -> str:
    done = bailiwick("inbox", *arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


def waiting(home: Path) -> list[dict[str, Any]]:
    done = bailiwick("inbox", "--json", home=home)
    return json.loads(done.stdout) if done.returncode == 0 else []


def effects(home: Path, *more: str) -> list[dict[str, Any]]:
    done = bailiwick("effects", "ls", "--json", *more, home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def job(home: Path, within_s: float = DAY_S) -> Iterator[subprocess.Popen[bytes]]:
    environ = environment(home)
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), environ["PYTHONPATH"]])
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.inbox_job", str(within_s)], env=environ, cwd=home, start_new_session=True
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def parked(home: Path, running: subprocess.Popen[bytes]) -> dict[str, Any]:
    while not (listed := waiting(home)):
        assert running.poll() is None
        time.sleep(0.02)
    return listed[0]


def paid(home: Path) -> list[dict[str, Any]]:
    path = home / "paid.txt"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def killed_while_it_waits(home: Path, within_s: float = DAY_S) -> dict[str, Any]:
    with job(home, within_s) as running:
        found = parked(home, running)
        os.killpg(running.pid, signal.SIGKILL)
    return found


def to_its_end(home: Path, within_s: float = DAY_S) -> None:
    with job(home, within_s) as running:
        assert running.wait(PATIENCE_S) == 0


def test_what_is_approved_after_a_kill_is_done_once(tmp_path: Path) -> None:
    found = killed_while_it_waits(tmp_path)
    assert [(each["id"], each["state"]) for each in waiting(tmp_path)] == [(found["id"], "waiting")]
    assert "amount = 700" in inbox("show", found["id"], home=tmp_path)
    assert "is approved" in inbox("approve", found["id"], "--why", "in order", "--yes", home=tmp_path)
    twice = bailiwick("inbox", "approve", found["id"], "--yes", home=tmp_path)
    assert (twice.returncode, twice.stderr.count("\n")) == (3, 1)
    assert paid(tmp_path) == []
    for _ in range(2):
        to_its_end(tmp_path)
        assert paid(tmp_path) == [{"amount": 700, "to": "Zoë"}]
    assert waiting(tmp_path) == []
    assert bailiwick("effects", "verify", home=tmp_path).returncode == 0
    assert [effect["state"] for effect in effects(tmp_path)] == ["done"]


def test_what_waits_is_listed_as_waiting_and_not_as_in_doubt(tmp_path: Path) -> None:
    killed_while_it_waits(tmp_path)
    [effect] = effects(tmp_path, "--state", "waiting")
    assert (effect["state"], effect["doubtful"], effect["in_doubt"]) == ("waiting", False, False)


def test_a_process_that_runs_is_told_at_once(tmp_path: Path) -> None:
    killed_while_it_waits(tmp_path)
    with job(tmp_path) as running:
        found = parked(tmp_path, running)
        assert "is modified" in inbox("modify", found["id"], "--arguments", '{"amount": 50}', "--yes", home=tmp_path)
        assert running.wait(PATIENCE_S) == 0
    assert paid(tmp_path) == [{"amount": 50, "to": "Zoë"}]
    assert not (tmp_path / "state" / "desk.sock").exists()


def test_a_kill_after_the_yes_takes_nothing_back(tmp_path: Path) -> None:
    """The yes is durable when the command returns; whether the process lived to act on it, the payment is made once."""
    killed_while_it_waits(tmp_path)
    with job(tmp_path) as running:
        found = parked(tmp_path, running)
        inbox("approve", found["id"], "--yes", home=tmp_path)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    to_its_end(tmp_path)
    assert len(paid(tmp_path)) <= 1  # Killed between the act's record and the file of this test, there is none.
    assert [effect["state"] for effect in effects(tmp_path)] == ["done"]


def test_a_no_and_a_time_that_is_over_are_told_on_resume(tmp_path: Path) -> None:
    found = killed_while_it_waits(tmp_path)
    inbox("reject", found["id"], "--why", "paid last week", "--yes", home=tmp_path)
    to_its_end(tmp_path)
    assert "said no: paid last week" in (tmp_path / "rejected.txt").read_text("utf-8")
    assert paid(tmp_path) == []


def test_nobody_in_time_is_a_no(tmp_path: Path) -> None:
    to_its_end(tmp_path, within_s=0.05)
    assert "No answer is a no" in (tmp_path / "rejected.txt").read_text("utf-8")
    assert paid(tmp_path) == []


SCRIPT = """
from pathlib import Path
from bailiwick import Agent, Bailiwick, action, tool

@tool
def pay(to: str, amount: int) -> int:
    with Path("paid.txt").open("a") as file:
        file.write('{"amount": %d, "to": "%s"}\\n' % (amount, to))
    return amount

class Clerk(Agent):
    @action
    async def settle_up(self, to: str, amount: int) -> int:
        return await self.use(pay, to, amount)

async def main(bw: Bailiwick) -> int:
    clerk = await bw.launch(Clerk, name="clerk")
    return await clerk.settle_up("Zoe", 7) + await clerk.settle_up("Zoe", 700)
"""
CHARTER = """
[[allow]]
tool = "*"
[[approvals]]
tool = "pay"
name = "payments"
reason = "money leaves the house"
"""
RUN = ("run", "bills.py", "--charter", "charter.toml")


@contextmanager
def campaign(home: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    (home / "bills.py").write_text(SCRIPT)
    (home / "charter.toml").write_text(CHARTER)
    started = subprocess.Popen([*COMMAND, *RUN, *more], env=environment(home), cwd=home, start_new_session=True, stdout=subprocess.PIPE)
    try:
        yield started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def test_a_script_s_run_waits_is_killed_and_goes_on_once_its_payments_were_decided(tmp_path: Path) -> None:
    with campaign(tmp_path) as running:
        first = parked(tmp_path, running)
        assert (first["arguments"], first["requests"][0]["why"]) == ({"to": "Zoe", "amount": 7}, "payments: money leaves the house")
        os.killpg(running.pid, signal.SIGKILL)
    inbox("approve", first["id"], "--yes", home=tmp_path)
    with campaign(tmp_path, "--resume") as running:
        while (second := parked(tmp_path, running))["id"] == first["id"]:
            time.sleep(0.02)
        assert paid(tmp_path) == [{"amount": 7, "to": "Zoe"}]
        os.killpg(running.pid, signal.SIGKILL)
    inbox("modify", second["id"], "--arguments", '{"amount": 70}', "--yes", home=tmp_path)
    with campaign(tmp_path, "--resume") as running:
        told, _ = running.communicate(timeout=PATIENCE_S)
        assert running.returncode == 0
    assert told.decode().strip() == "77"
    assert paid(tmp_path) == [{"amount": 7, "to": "Zoe"}, {"amount": 70, "to": "Zoe"}]
    again = bailiwick(*RUN, "--resume", home=tmp_path)
    assert (again.stdout.strip(), len(paid(tmp_path))) == ("77", 2)
    assert bailiwick("effects", "verify", home=tmp_path).returncode == 0
