"""The examples in the README and in the guide run and print what they say."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path

from tests.acceptance.commands import bailiwick, complaint

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "effect-log.md").read_text("utf-8")


AUTHORITY = (ROOT / "docs" / "authority.md").read_text("utf-8")


def block(language: str, page: str = README) -> str:
    found = re.search(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)
    assert found is not None
    return found[1]


def test_the_agent_in_the_readme_runs(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(block("python"))
    printed = re.search(r"\$ bailiwick run lab.py 3\n(.*)\n", README)
    assert printed is not None
    assert bailiwick("run", "lab.py", "3", home=tmp_path).stdout == f"{printed[1]}\n"


def test_the_charter_in_the_readme_is_one(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(block("python"))
    (tmp_path / "charter.toml").write_text(block("toml"))
    assert bailiwick("run", "lab.py", "3", "--charter", "charter.toml", home=tmp_path).returncode == 0


def test_the_saga_in_the_guide_takes_back_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "plan.py").write_text(
        next(found for found in re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL) if "saga" in found)
    )
    (tmp_path / "plan.txt").write_text("beam 3")
    assert "there is no file" in complaint(bailiwick("run", "plan.py", home=tmp_path), 3)
    assert (tmp_path / "plan.txt").read_text() == "beam 3"


def test_what_the_guide_asks_of_the_record_is_answered(tmp_path: Path) -> None:
    (tmp_path / "lab.py").write_text(block("python"))
    for _ in range(2):
        assert bailiwick("run", "lab.py", "3", home=tmp_path).returncode == 0
    section = GUIDE.partition("## Ask the record")[2].partition("\n## ")[0]
    shown, settling = re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL)
    here = json.loads(bailiwick("effects", "ls", "--json", home=tmp_path).stdout)
    ids = {kind: [effect["id"][-12:] for effect in here if effect["kind"] == kind] for kind in ("run", "tool")}
    real: dict[str, str] = dict(zip(("f7589ae7fbff", "44c21d0e8a17", "569aa0ca8f3d"), (*ids["run"], ids["tool"][0]), strict=True))
    for line in re.findall(r"^\$ bailiwick (.*)$", shown, flags=re.MULTILINE):
        done = bailiwick(*(real.get(word, word) for word in shlex.split(line, comments=True)), home=tmp_path)
        assert done.returncode == 0, done.stderr
        printed = shown.partition(f"{line}\n")[2].partition("$ ")[0].splitlines()
        for told, said in zip(printed, done.stdout.splitlines(), strict=False):
            assert told == "…" or _skeleton(told) == _skeleton(said)
    assert (tmp_path / "lab.json").exists()
    [settle] = re.findall(r"^\$ bailiwick (effects settle .*)$", settling, flags=re.MULTILINE)
    words = [real.get(word, word) for word in shlex.split(settle, comments=True)]
    assert "is done: there is nothing to settle" in complaint(bailiwick(*words, home=tmp_path), 3)


def test_the_tools_in_the_guide_are_tools(tmp_path: Path) -> None:
    declared = next(found for found in re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL) if "IdempotencyKey" in found)
    (tmp_path / "shop.py").write_text(
        declared
        + """

async def main(bw) -> list[int]:
    await bw.use(order, "benzene", Secret("hunter2"))
    return [await bw.use(pay, 7), len(BANK)]
"""
    )
    (tmp_path / "all.toml").write_text("[[allow]]\n")
    done = bailiwick("run", "shop.py", "--charter", "all.toml", "--json", home=tmp_path)
    assert json.loads(done.stdout) == [7, 1], done.stderr
    assert not [path for path in tmp_path.rglob("ledger.sqlite*") if b"hunter2" in path.read_bytes()]


def test_the_survey_in_the_guide_goes_step_by_step(tmp_path: Path) -> None:
    survey = next(found for found in re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL) if "self.steps" in found)
    (tmp_path / "survey.py").write_text(
        survey + "\n\nasync def main(bw) -> float:\n    return await (await bw.launch(Survey)).sweep(200)\n"
    )
    assert bailiwick("run", "survey.py", home=tmp_path).stdout == "29850.0\n"
    runs = json.loads(bailiwick("runs", "ls", "--json", home=tmp_path).stdout)
    assert len(runs) == 1


def _skeleton(line: str) -> str:
    """A line without what is another in every run: ids, times, names of people and folders."""
    return re.sub(r"(_|…)[0-9a-f…]+|\S+@\S+|/\S*/|[\d.:-]+ *(ms|s)?", "", line)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_the_charter_in_the_guide_to_authority_is_sound(tmp_path: Path) -> None:
    (tmp_path / "charter.toml").write_text(block("toml", AUTHORITY))
    assert "conflict" not in bailiwick("charter", "check", "charter.toml", home=tmp_path).stdout
    (tmp_path / "lab.py").write_text(block("python"))
    complaint(bailiwick("run", "lab.py", "3", "--charter", "charter.toml", home=tmp_path), 3)


def test_the_buyer_in_the_guide_to_authority_is_kept_inside_its_terms(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(block("python", AUTHORITY))
    done = bailiwick("run", "shop.py", home=tmp_path)
    first, second, third = ast.literal_eval(done.stdout)
    assert "at most 100" in first
    assert second == "acid for 50"
    assert "budget" in third
    tree = bailiwick("grants", "tree", home=tmp_path).stdout
    assert "Buyer" in tree
    assert "at_most" in tree
    assert "Buyer" in bailiwick("budget", "tree", home=tmp_path).stdout
    agent = json.loads(bailiwick("grants", "tree", "--json", home=tmp_path).stdout)[-1]["agent"]
    assert bailiwick("grants", "revoke", "--agent", agent, "--why", "it was lost", home=tmp_path).returncode == 0
    assert "it was lost" in bailiwick("grants", "show", agent, home=tmp_path).stdout
