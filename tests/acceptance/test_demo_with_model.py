"""A model proposes, the surrogate judges: with a double that speaks the real interface, well and badly."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bailiwick.testing import ModelDouble
from tests.acceptance.commands import bailiwick

pytest.importorskip("tblite", reason="the demo needs the chemistry extra")
pytest.importorskip("httpx", reason="models need the models extra")


def first_offered(messages: Sequence[dict[str, Any]]) -> str:
    """Proposes the first candidates it was shown, one of them twice, one it was told the value of, and some nonsense."""
    text = messages[-1]["content"]
    known, offered = text.split("Candidates:\n")
    candidates = offered.split("\n\n")[0].splitlines()
    computed = re.findall(r"^(\S+) -?\d", known, flags=re.MULTILINE)
    return json.dumps({"molecules": [*candidates[:8], candidates[0], computed[0], "not-a-molecule", "CCCCCCCCCCCCCCCC"]})


@contextmanager
def serving(answer: Any) -> Generator[str]:
    """A model double in a thread of its own."""
    ready, url, stop = threading.Event(), list[str](), list[Any]()

    async def serve() -> None:
        async with ModelDouble(answer) as double:
            url.append(double.url)
            end = asyncio.Event()
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


def campaign(home: Path, url: str, *more: str) -> dict[str, Any]:
    done = bailiwick("demo", "--budget", "25", "--batch", "5", "--model", url, "--json", *more, home=home)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["summary"]


def test_a_model_proposes_and_the_surrogate_judges(tmp_path: Path) -> None:
    with serving(first_offered) as url:
        summary = campaign(tmp_path, url)
    proposals = summary["proposals"]
    assert summary["evaluated"] == 25
    assert proposals["asked"] == 4
    assert proposals["unanswered"] == 0
    assert proposals["verdicts"]["eligible"] >= proposals["taken"] == 20
    assert proposals["verdicts"]["proposed twice"] == 4
    assert proposals["verdicts"]["computed already"] == 4
    assert proposals["verdicts"]["unreadable"] == 4
    chats = json.loads(bailiwick("effects", "ls", "--tool", "chat", "--json", home=tmp_path).stdout)
    assert [chat["effect"] for chat in chats] == ["read"] * 4
    assert all(chat["cost"]["tokens"] > 0 for chat in chats)
    assert "A language model proposed" in Path(summary["report"]).read_text()


def test_a_model_that_talks_nonsense_is_counted_and_the_surrogate_goes_on(tmp_path: Path) -> None:
    with serving(lambda messages: "I think you should try benzene!") as url:
        summary = campaign(tmp_path, url)
    assert summary["evaluated"] == 25
    assert summary["proposals"]["asked"] == summary["proposals"]["unanswered"] == 4
    assert summary["proposals"]["taken"] == 0


def test_a_resumed_campaign_asks_the_model_nothing_again(tmp_path: Path) -> None:
    with serving(first_offered) as url:
        first = campaign(tmp_path, url)
    done = bailiwick("demo", "--resume", "--json", home=tmp_path)
    assert json.loads(done.stdout)["summary"] == first
