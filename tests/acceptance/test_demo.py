"""The campaign as a person runs it, and as things go wrong in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.acceptance.commands import COMMAND, bailiwick, complaint, environment, start

pytest.importorskip("tblite", reason="the demo needs the chemistry extra")


def test_the_demo_prints_its_ten_best_and_the_path_of_its_report_last(tmp_path: Path) -> None:
    done = bailiwick("demo", "--budget", "20", home=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[0].split()[:2] == ["rank", "molecule"]
    assert [line.split()[0] for line in lines[1:11]] == [str(rank) for rank in range(1, 11)]
    assert "verified, all agree to the last bit" in done.stdout
    report = Path(lines[-1])
    assert report.parent == tmp_path / "state" / "reports"
    page = report.read_text()
    HTMLParser().feed(page)
    assert page.count("<svg") >= 3
    assert "http-equiv" in page or "<script" not in page
    assert "20/20 molecules" in done.stderr


def test_what_cannot_be_computed_is_a_finding_and_the_campaign_goes_on(tmp_path: Path) -> None:
    mine = {"ethanol": "CCO", "radical": "[CH3]", "prussic": "C#N", "salt": "[NH4+].[Cl-]", "acetonitrile": "CC#N", "bad": "nonsense("}
    (tmp_path / "mine.smi").write_text("".join(f"{smiles} {name}\n" for name, smiles in mine.items()))
    done = bailiwick("demo", "--pool", "mine.smi", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)["summary"]
    assert set(summary["failed"]) == {"radical", "salt", "bad"}
    assert "all electrons paired" in summary["failed"]["radical"]
    assert "not a SMILES" in summary["failed"]["bad"]
    assert summary["evaluated"] == 6
    failed = json.loads(bailiwick("effects", "ls", "--state", "failed", "--json", home=tmp_path).stdout)
    assert [effect["tool"] for effect in failed] == ["ionisation_energy"] * 3
    page = Path(summary["report"]).read_text()
    assert "radical" in page
    assert "all electrons paired" in page


def test_a_worker_that_the_system_kills_is_a_failure_on_record_and_is_replaced(tmp_path: Path) -> None:
    running = start("demo", "--budget", "60", home=tmp_path)
    killed = 0
    while killed < 3 and running.poll() is None:
        for worker in workers_of(running.pid):
            if busy(worker):
                os.kill(worker, signal.SIGKILL)
                killed += 1
                break
        time.sleep(0.05)
    assert running.wait(timeout=60) == 0
    failed = json.loads(bailiwick("effects", "ls", "--state", "failed", "--json", home=tmp_path).stdout)
    shown = [json.loads(bailiwick("effects", "show", effect["id"], "--json", home=tmp_path).stdout) for effect in failed]
    assert shown
    assert all("SIGKILL" in effect["failure"]["message"] for effect in shown)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--resume",), "nothing has been recorded here yet"),
        (("--resume", "--seed", "3"), "leave out --seed"),
        (("--run", "run_x"), "--run goes with --resume"),
        (("--pool", "missing.smi"), "missing.smi: no such file"),
        (("--out", "/proc/nowhere"), "the report cannot go there"),
    ],
)
def test_bad_options_get_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    assert words in complaint(bailiwick("demo", *arguments, home=tmp_path), 3)


def workers_of(pid: int) -> list[int]:
    """The worker processes of a running command."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


def busy(pid: int) -> bool:
    """Whether a process is running at this moment, rather than waiting for something to do; and has loaded its chemistry."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "R" and "tblite" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def test_a_display_that_nobody_reads_costs_the_campaign_nothing(tmp_path: Path) -> None:
    """Invariant 10: its standard error is a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    running = subprocess.Popen(
        [*COMMAND, "demo", "--budget", "15", "--json"],
        stdout=subprocess.PIPE,
        stderr=writing,
        env=environment(tmp_path),
        cwd=tmp_path,
        text=True,
    )
    os.close(writing)
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    assert json.loads(printed)["summary"]["evaluated"] == 15
