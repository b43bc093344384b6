"""Keys stay where they are, and are the same after a restart."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from bailiwick.errors import BadInput, NotFound
from bailiwick.grants import AgentKey, HostSecret, RootKey
from bailiwick.grants.keys import is_signed
from tests.granted import CLERK, ROOT, SCOUT, SECRET


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "host"
    made = HostSecret.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert HostSecret.load(path).agent_key(CLERK, 1).public == made.agent_key(CLERK, 1).public
    assert [file.name for file in path.parent.iterdir()] == ["host"]


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "root"
    RootKey.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(BadInput, match="chmod 600"):
        RootKey.load_or_create(path)


def test_a_file_that_holds_no_key_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "root"
    with pytest.raises(NotFound):
        RootKey.load(path)
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(BadInput, match="32 bytes"):
        RootKey.load_or_create(path)
    assert path.read_bytes() == b"short"


def test_each_agent_has_another_key_in_each_epoch() -> None:
    keys = {SECRET.agent_key(agent, epoch).public for agent in (CLERK, SCOUT) for epoch in range(3)}
    assert len(keys) == 6
    assert HostSecret(b"i" * 32).agent_key(CLERK, 0).public not in keys


def test_the_derivation_is_what_it_was() -> None:
    """Or agents would not be who they are after an update."""
    assert SECRET.agent_key(CLERK, 3).public.hex() == "f928e5ffe7e331298f96e98b46e64ace026baadfd0ddd3b0ad2d0316bca06eef"
    assert ROOT.public.hex() == "5b6489c9c7fd0dcf50545e7c164886ef40491ec06c7f1b123041797e8117535e"


@pytest.mark.parametrize("kept", [ROOT, SECRET, AgentKey(b"k" * 32)])
def test_no_key_shows_its_secret_or_leaves_the_process(kept: RootKey | HostSecret | AgentKey) -> None:
    assert not any(secret in f"{kept} {kept!r}" for secret in ("rrr", "hhh", "kkk"))
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leave(kept)
    with pytest.raises(BadInput):
        type(kept)(b"short")


def test_a_signature_is_good_for_its_message_and_key_alone() -> None:
    key, other = SECRET.agent_key(CLERK, 0), SECRET.agent_key(SCOUT, 0)
    signature = key.sign(b"message")
    assert is_signed(key.public, signature, b"message")
    assert not is_signed(key.public, signature, b"massage")
    assert not is_signed(other.public, signature, b"message")
    assert not is_signed(key.public, signature[:-1], b"message")
    assert not is_signed(b"no key", signature, b"message")
