"""``bailiwick grants``, over a record made here."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bailiwick import codec
from bailiwick.cli.grants import grants
from bailiwick.effects import EffectClass, Intent, Kind
from bailiwick.errors import BadInput, NotFound
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing import run
from tests.granted import CLERK, Site
from tests.unit.cli.commands import home

ROOT_RUN = "019b00000000" + "c3" * 10
SPAWNS = ["019b00000000" + f"{number:02x}" * 10 for number in (0xA1, 0xA2)]


@pytest.fixture
def record() -> None:
    """A run by Ada that launched a scout under a narrower grant, who launched a clerk under the same."""

    async def write() -> None:
        home().mkdir(parents=True, exist_ok=True)
        ledger = SqliteLedger.open(home() / "ledger.sqlite")
        main = AgentId(f"agt_{ROOT_RUN}")
        shared = {"effect": EffectClass.IDEMPOTENT, "at_ns": 1_767_225_600 * 10**9}
        start = Intent(
            id=EffectId(f"eff_{ROOT_RUN}"),
            run=RunId(f"run_{ROOT_RUN}"),
            agent=main,
            position="",
            kind=Kind.RUN,
            tool="campaign",
            principal="ada",
            grant="grt_019b00000000" + "07" * 10,
            **shared,
        )
        scout = Intent(
            id=EffectId(f"eff_{SPAWNS[0]}"),
            run=RunId(f"run_{ROOT_RUN}"),
            agent=main,
            position="1",
            kind=Kind.SPAWN,
            tool="Scout",
            grant="grt_019b00000000" + "08" * 10,
            arguments=codec.encode({"name": "scout", "terms": {"grant": {"tools": ["read_*"]}}}),
            **shared,
        )
        clerk = Intent(
            id=EffectId(f"eff_{SPAWNS[1]}"),
            run=RunId(f"run_{ROOT_RUN}"),
            agent=AgentId(f"agt_{SPAWNS[0]}"),
            position="2",
            kind=Kind.SPAWN,
            tool="Clerk",
            **shared,
        )
        ledger.append(start, scout, clerk)
        await ledger.barrier()
        await ledger.close()

    run(write())


def said(*arguments: str) -> str:
    """What the command prints; what it raises is raised."""
    outcome = CliRunner().invoke(grants, list(arguments), standalone_mode=False)
    if outcome.exception is not None:
        raise outcome.exception
    return outcome.output


@pytest.mark.usefixtures("record")
def test_the_tree_shows_who_holds_what_and_from_whom() -> None:
    main, scout, clerk = json.loads(said("tree", "--json"))
    assert main["principal"] == "ada"
    assert scout["own"]
    assert scout["narrowed"] == {"tools": ["read_*"]}
    assert clerk["above"] == scout["agent"]
    assert not clerk["own"]
    assert clerk["grant"] == scout["grant"]
    text = said("tree")
    assert "given by ada" in text
    assert "as above" in text


@pytest.mark.usefixtures("record")
def test_one_grant_is_shown_by_its_id_or_its_holders() -> None:
    assert "read_*" in said("show", "grt_019b00000000" + "08" * 10)
    assert json.loads(said("show", f"agt_{SPAWNS[1]}", "--json"))["name"] == "Clerk"
    with pytest.raises(NotFound, match="grants tree"):
        said("show", "grt_unknown")
    with pytest.raises(BadInput, match="give more of it"):
        said("show", "grt_")


def test_a_token_is_shown_with_what_revokes_it(tmp_path: Path) -> None:
    token = Site().book.token(CLERK)
    (tmp_path / "raw").write_bytes(token.data)
    (tmp_path / "text").write_text(base64.urlsafe_b64encode(token.data).decode())
    for name in ("raw", "text"):
        shown = json.loads(said("show", str(tmp_path / name), "--json"))
        assert tuple(shown["revocation_ids"]) == token.revocation_ids
        assert shown["grants"][-1]["tools"] == ["write_file"]
    (tmp_path / "noise").write_bytes(b"\xff" * 9)
    with pytest.raises(BadInput, match="no token"):
        said("show", str(tmp_path / "noise"))


@pytest.mark.usefixtures("record")
def test_what_is_to_be_revoked_has_to_be_named() -> None:
    for arguments in ([], ["grt_1", "--agent", "agt_1"]):
        with pytest.raises(BadInput, match="say what"):
            said("revoke", *arguments)
    with pytest.raises(BadInput, match="no grant of its own"):
        said("revoke", f"agt_{SPAWNS[1]}")
    with pytest.raises(NotFound):
        said("revoke", "grt_unknown")
