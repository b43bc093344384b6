"""A crash in the middle of changing or of taking back: asked again, what was done is taken back whole, and nothing twice."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bailiwick.tools import delete_file, move_file, write_file
from tests.acceptance.commands import bailiwick, environment

DIES = """
import os, signal, sys
from bailiwick.tools import delete_file, move_file, write_file

root, what, how, nth = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
tool = {"write": write_file, "delete": delete_file, "move": move_file}[what]
args = {"write": ("a", "new"), "delete": ("a",), "move": ("a", "d/b")}[what]
if how == "write new":
    args = ("d/b", "new")
os.chdir(root)
seen = 0


def watch(event, _):
    global seen
    if event in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime"):
        seen += 1
    if seen == nth and event != "os.kill":
        os.kill(os.getpid(), signal.SIGKILL)


if how == "undo":
    tool(*args, key="eff_1")
sys.addaudithook(watch)
if how == "undo":
    tool.undo(*args, key="eff_1")
else:
    tool(*args, key="eff_1")
seen = -1_000_000
"""


def looks(root: Path) -> dict[str, tuple[bytes, int, int]]:
    found: dict[str, tuple[bytes, int, int]] = {}
    for path in root.rglob("*"):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            found[str(path.relative_to(root))] = path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns
    return found


def fresh(root: Path) -> dict[str, tuple[bytes, int, int]]:
    (root / "d").mkdir(parents=True)
    (root / "a").write_text("old")
    (root / "a").chmod(0o640)
    os.utime(root / "a", ns=(10**18, 10**18))
    return looks(root)


def undo(what: str, how: str, root: Path) -> None:
    tool = {"write": write_file, "delete": delete_file, "move": move_file}[what]
    args = {"write": ("a", "new"), "delete": ("a",), "move": ("a", "d/b")}[what]
    paths = ("d/b", "new") if how == "write new" else args
    full = [paths[0] and str(root / paths[0]), *(str(root / path) if what == "move" else path for path in paths[1:])]
    assert tool.undo is not None
    tool.undo(*full, key="eff_1")


@pytest.mark.parametrize(
    ("what", "how"), [*((what, how) for what in ("write", "delete", "move") for how in ("do", "undo")), ("write", "write new")]
)
def test_killed_at_each_touch_of_the_disk_a_file_is_exactly_what_it_was_once_that_is_taken_back(
    tmp_path: Path, what: str, how: str
) -> None:
    """kill -9 before each call that touches the disk, one after the other, until the tool comes through alive."""
    kills = 0
    for nth in range(1, 100):
        root = tmp_path / str(nth)
        before = fresh(root)
        ended = subprocess.run(
            [sys.executable, "-c", DIES, str(root), what, how, str(nth)],
            env=environment(tmp_path),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
        undo(what, how, root)
        left = looks(root)
        # Writing may leave the half of a new file beside it, under a name of its own.
        assert {name: look for name, look in left.items() if ".part" not in name} == before
        if ended.returncode == 0:
            break
        kills += 1
    assert kills >= 3


SCRIPT = """
from bailiwick import Bailiwick
from bailiwick.tools import delete_file, move_file, write_file


async def main(bw: Bailiwick) -> None:
    await bw.use(write_file, "tree/a", "second")
    await bw.use(move_file, "tree/a", "tree/d/b")
    await bw.use(write_file, "tree/new", "new")
    await bw.use(write_file, "tree/d/b", "third")
    await bw.use(delete_file, "tree/d/b")
"""
DIES_IN_THE_TREE = """
import os, signal, sys
from bailiwick.cli import main

root, nth = sys.argv.pop(1), int(sys.argv.pop(1))
seen = 0


def watch(event, args):
    global seen
    if event in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir") and str(args[0]).startswith(root):
        seen += 1
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(watch)
main()
"""


UNDO_ALL = ("effects", "undo", "--since", "1d", "--yes")


def dies(nth: int, home: Path, *command: str) -> bool:
    """Whether ``command`` was killed, at the ``nth`` touch of the tree."""
    ended = subprocess.run(
        [sys.executable, "-c", DIES_IN_THE_TREE, str(home / "tree"), str(nth), *command],
        cwd=home,
        env=environment(home),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr.decode()
    return ended.returncode != 0


def undone_whole(home: Path, before: dict[str, tuple[bytes, int, int]]) -> None:
    again = bailiwick(*UNDO_ALL, home=home)
    assert again.returncode == 0, again.stderr
    # A try that was killed may leave the half of a new file beside it, under a name of its own.
    assert {name: look for name, look in looks(home / "tree").items() if ".part" not in name} == before
    listed = json.loads(bailiwick("effects", "ls", "--json", home=home).stdout)
    assert [effect["state"] for effect in listed if effect["kind"] == "tool"] == ["undone"] * 5


def test_a_killed_undo_is_finished_by_saying_the_same_again(tmp_path: Path) -> None:
    """kill -9 in the middle of taking a run back, each time a little later, until it comes through alive."""
    kills = 0
    for nth in range(2, 100, 8):
        home = tmp_path / str(nth)
        before = fresh(home / "tree")
        (home / "script.py").write_text(SCRIPT)
        assert bailiwick("run", "script.py", home=home).returncode == 0
        assert looks(home / "tree") != before
        killed = dies(nth, home, *UNDO_ALL)
        undone_whole(home, before)
        if not killed:
            break
        kills += 1
    assert kills >= 3


def test_a_killed_run_is_resumed_and_can_still_be_taken_back_whole(tmp_path: Path) -> None:
    """kill -9 in the middle of changing files: what may have happened is taken back and done again, and then all of it taken back."""
    kills = 0
    for nth in range(3, 100, 13):
        home = tmp_path / str(nth)
        before = fresh(home / "tree")
        (home / "script.py").write_text(SCRIPT)
        killed = dies(nth, home, "run", "script.py")
        resumed = bailiwick("run", "script.py", "--resume", home=home)
        assert resumed.returncode == 0, resumed.stderr
        left = looks(home / "tree")
        assert {name: look[0] for name, look in left.items() if "bailiwick" not in name} == {"new": b"new"}
        undone_whole(home, before)
        if not killed:
            break
        kills += 1
    assert kills >= 3
