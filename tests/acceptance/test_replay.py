"""``runs replay``, ``runs branches`` and ``runs migrate``, as a person uses them: on a campaign of agents that ask a model."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bailiwick.bailiff import load, read_ledger
from bailiwick.effects import Effect, fold
from bailiwick.ids import run_of
from bailiwick.ledger import verify
from bailiwick.testing import ModelDouble
from tests.acceptance.commands import bailiwick, complaint, start

pytest.importorskip("httpx", reason="models need the models extra")

SCRIPT = """
import asyncio
from bailiwick import Agent, Bailiwick, Handle, action, tool
from bailiwick.models import ChatModel, Message, chat_tool

ask_model = chat_tool(ChatModel(URL))

def act(text: str) -> None:
    with open("acts.txt", "a") as file:
        file.write(text + "\\n")

@tool(effect="pure", where="process")
def measure(number: int) -> int:
    act(f"measure {number}")
    return number * number

@tool(effect="idempotent")
def publish(text: str) -> int:
    act(f"publish {text}")
    return len(text)

class Assay(Agent):
    done: int = 0

    @action
    async def measure(self, number: int) -> int:
        value = await self.use(measure, number)
        self.done += 1
        return value

class Thinker(Agent):
    number: int = 0
    best: int = 0

    @action(exclusive=True)
    async def think(self, assays: list[Handle[Assay]], rounds: int, pause: float) -> int:
        while self.number < rounds:
            values = await asyncio.gather(*(assay.measure(self.number + i) for i, assay in enumerate(assays)))
            said = await self.use(ask_model, [Message(role="user", content=f"best {max(values)}")])
            best = max(values) if said.text == "take it" else self.best + 1
            await self.use(publish, f"{self.number}:{best}")
            self.number, self.best = self.number + 1, best
            if self.number % 2 == 0:
                await self.seal()
            await asyncio.sleep(pause)
        return self.best

async def main(bw: Bailiwick, rounds: int, pause: float = 0.0) -> int:
    assays = [await bw.launch(Assay, name=f"assay-{i}") for i in range(2)]
    thinker = await bw.launch(Thinker)
    return await thinker.think(assays, rounds, pause)
"""


def answer(messages: Sequence[dict[str, Any]]) -> str:
    return "take it" if int(messages[-1]["content"].split()[-1]) % 2 == 0 else "leave it"


@contextmanager
def serving() -> Generator[str]:
    """A model double in a thread of its own."""
    ready, url, stop = threading.Event(), list[str](), list[Any]()

    async def serve() -> None:
        async with ModelDouble(answer) as double:
            end = asyncio.Event()
            url.append(double.url)
            stop.append((asyncio.get_running_loop(), end))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(10)
    try:
        yield url[0]
    finally:
        loop, end = stop[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()


def written(home: Path, url: str) -> Path:
    script = home / "campaign.py"
    script.write_text(SCRIPT.replace("URL", repr(url)))
    return script


def effects(home: Path) -> list[Effect]:
    return list(fold((entry.seq, entry.record) for entry in read_ledger(load(home=str(home / "state"))).entries()).values())


def run_asked_as(home: Path, tool: str) -> str:
    return run_of(next(effect.intent.id for effect in effects(home) if effect.intent.tool == tool))


def root(home: Path) -> str:
    return effects(home)[0].intent.run


def acts(home: Path) -> list[str]:
    return (home / "acts.txt").read_text().splitlines()


def state_of(home: Path) -> dict[str, str]:
    """Every file below the home and what is in it, but for what readers of the record share among themselves."""
    files = (path for path in sorted(home.rglob("*")) if path.is_file() and path.suffix not in (".pyc", ".sqlite-shm"))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def complaint_in(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of what was said, where a command refused."""
    assert done.returncode == 3, done.stderr
    return done.stderr.strip().splitlines()[-1]


def kill_after(home: Path, lines: int, *arguments: str) -> None:
    running = start(*arguments, home=home)
    while not (home / "acts.txt").exists() or len(acts(home)) < lines:
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def test_a_killed_and_resumed_campaign_is_replayed_and_a_changed_answer_leads_elsewhere(tmp_path: Path) -> None:
    with serving() as url:
        written(tmp_path, url)
        kill_after(tmp_path, 10, "run", "campaign.py", "6", "0.05")
        cut = bailiwick("runs", "replay", root(tmp_path), home=tmp_path)
        assert cut.returncode == 0, cut.stderr
        assert "as far as the record goes" in cut.stdout
        assert bailiwick("run", "campaign.py", "--resume", home=tmp_path).stdout == "36\n"
    # From here on there is no model any more.
    before = state_of(tmp_path)
    replayed = bailiwick("runs", "replay", root(tmp_path), "--json", home=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    found = json.loads(replayed.stdout)
    assert (found["reproduced"], found["ended"], found["value"]) == (True, True, 36)
    answers = [step["value"]["text"] for step in found["steps"] if step["tool"] == "chat"]
    assert answers == ["leave it", "take it"] * 3
    assert state_of(tmp_path) == before

    thinking = run_asked_as(tmp_path, "Thinker.think")
    chats = [effect for effect in effects(tmp_path) if effect.intent.tool == "chat"]
    last = chats[-1].intent.position
    said = next(step["value"] for step in found["steps"] if step["tool"] == "chat" and step["position"] == last) | {"text": "leave it"}
    change = f"{thinking}:{last}={json.dumps(said)}"
    refused = bailiwick("runs", "replay", root(tmp_path), "--change", change, home=tmp_path)
    assert refused.returncode == 1
    assert "publish" in refused.stdout
    assert "--assume publish=VALUE" in refused.stdout
    simulated = bailiwick("runs", "replay", root(tmp_path), "--change", change, "--assume", "publish=4", "--json", home=tmp_path)
    assert simulated.returncode == 0, simulated.stderr
    branched = json.loads(simulated.stdout)
    assert (branched["then"], branched["now"], branched["live"]) == (36, 18, False)
    assert [part["what"] for part in branched["parts"]] == ["changed", "other question", "other outcome"]
    assert state_of(tmp_path) == before


def test_a_live_branch_is_kept_beside_the_record_and_can_be_removed(tmp_path: Path) -> None:
    with serving() as url:
        written(tmp_path, url)
        assert bailiwick("run", "campaign.py", "2", home=tmp_path).stdout == "4\n"
        said = {"text": "take it", "model": "m", "asked_model": "", "finish_reason": "stop", "sent_bytes": 1}
        thinking = run_asked_as(tmp_path, "Thinker.think")
        first = next(effect.intent.position for effect in effects(tmp_path) if effect.intent.tool == "chat")
        record = (tmp_path / "state" / "ledger.sqlite").read_bytes()
        before = acts(tmp_path)
        options = ("runs", "replay", thinking, "--change", f"{first}={json.dumps(said)}", "--live")
        assert "--yes" in complaint_in(bailiwick(*options, home=tmp_path))
        assert acts(tmp_path) == before
        live = bailiwick(*options, "--yes", "--json", home=tmp_path)
    assert live.returncode == 0, live.stderr
    branched = json.loads(live.stdout)
    assert (branched["then"], branched["now"], branched["live"]) == (4, 4, True)
    assert "publish 0:1" in acts(tmp_path)[len(before) :]
    assert (tmp_path / "state" / "ledger.sqlite").read_bytes() == record
    (kept,) = json.loads(bailiwick("runs", "branches", "--json", home=tmp_path).stdout)
    assert (kept["id"], kept["state"], kept["changes"][0]["position"]) == (branched["branch"], "done", first)
    assert "brn_" in bailiwick("runs", "branches", home=tmp_path).stdout
    assert bailiwick("runs", "branches", "--remove", kept["id"], home=tmp_path).returncode == 0
    assert json.loads(bailiwick("runs", "branches", "--json", home=tmp_path).stdout) == []
    complaint(bailiwick("runs", "branches", "--remove", kept["id"], home=tmp_path), 3)


def test_changed_code_is_a_defect_and_a_migrated_run_ends_with_the_new_code(tmp_path: Path) -> None:
    with serving() as url:
        script = written(tmp_path, url)
        kill_after(tmp_path, 15, "run", "campaign.py", "6", "0.1")  # In the fifth round; sealed after the fourth.
        script.write_text(script.read_text().replace("best {max(values)}", "the best is {max(values)}"))
        line = complaint(bailiwick("run", "campaign.py", "--resume", home=tmp_path), 7)
        assert "the best is 25" in line
        assert '"best 25"' in line
        thinking = run_asked_as(tmp_path, "Thinker.think")
        assert f"bailiwick runs migrate {thinking}" in line
        entries = read_ledger(load(home=str(tmp_path / "state"))).head().seq
        plan = bailiwick("runs", "migrate", thinking, "--dry-run", home=tmp_path)
        assert plan.returncode == 0, plan.stderr
        assert "goes on from its seal" in plan.stdout
        assert "publish" in plan.stdout
        assert read_ledger(load(home=str(tmp_path / "state"))).head().seq == entries
        assert "--yes" in complaint_in(bailiwick("runs", "migrate", thinking, home=tmp_path))
        migrated = bailiwick("runs", "migrate", thinking, "--yes", home=tmp_path)
        assert migrated.returncode == 0, migrated.stderr
        assert "campaign.py --resume" in migrated.stdout
        resumed = bailiwick("run", "campaign.py", "--resume", home=tmp_path)
    assert resumed.stdout == "36\n", resumed.stderr
    assert sum(act.startswith("publish 0:") for act in acts(tmp_path)) == 1  # Before the seal: read, not done again.
    replayed = bailiwick("runs", "replay", root(tmp_path), home=tmp_path)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    verify(read_ledger(load(home=str(tmp_path / "state"))).entries())
    assert complaint(bailiwick("runs", "migrate", thinking, home=tmp_path), 3)
