"""Signing keys in their files, and signatures that can be checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bailiwick.errors import BadInput, CorruptLedger, NotFound
from bailiwick.ledger import Head, SigningKey, attest, can_sign, check, read_public_key

KEY = SigningKey(b"k" * 32)
HEAD = Head(7, b"\x9f" * 32)


def test_keys_and_signatures_are_those_of_the_standard() -> None:
    """RFC 8032, section 7.1, test 1."""
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_what_was_signed_is_checked_by_itself() -> None:
    attestation = attest(KEY, HEAD, 5)
    assert (attestation.seq, attestation.hash, attestation.at_ns, attestation.key) == (7, HEAD.hash, 5, KEY.public)
    check(attestation)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 8},
        {"seq": -1},
        {"seq": 1 << 64},
        {"hash": b"\x9e" + b"\x9f" * 31},
        {"at_ns": 6},
        {"at_ns": 1 << 63},
        {"signature": bytes(64)},
        {"signature": b""},
        {"key": SigningKey(b"t" * 32).public},
        {"key": b"too short"},
    ],
    ids=str,
)
def test_a_signature_does_not_fit_anything_else(change: dict[str, object]) -> None:
    with pytest.raises(CorruptLedger):
        check(msgspec.structs.replace(attest(KEY, HEAD, 5), **change))


def test_what_is_signed_is_spelt_out_and_never_changes() -> None:
    """Or no signature of an earlier version could be checked: a purpose, and seq, hash and time with their lengths."""
    spelt = b"bailiwick ledger attestation 1\x00" + (7).to_bytes(8, "big") + HEAD.hash + (5).to_bytes(8, "big")
    assert attest(KEY, HEAD, 5).signature == KEY.sign(spelt)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "ledger.key"
    made = SigningKey.load_or_create(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert path.stat().st_size == 32
    assert SigningKey.load_or_create(path).public == SigningKey.load(path).public == made.public
    assert [found.name for found in path.parent.iterdir()] == ["ledger.key"]


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    assert SigningKey.load_or_create(tmp_path / "one").public != SigningKey.load_or_create(tmp_path / "other").public


def test_of_two_processes_that_make_a_key_both_get_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.key"
    link = os.link

    def slow(source: Path, target: Path) -> None:
        path.write_bytes(b"f" * 32)
        path.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", slow)
    assert SigningKey.load_or_create(path).public == SigningKey(b"f" * 32).public
    assert [found.name for found in tmp_path.iterdir()] == ["ledger.key"]


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / f"ledger.key.{os.getpid()}.new").write_bytes(b"half")
    SigningKey.load_or_create(tmp_path / "ledger.key")
    assert [found.name for found in tmp_path.iterdir()] == ["ledger.key"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "ledger.key"
    SigningKey.load_or_create(path)
    path.chmod(mode)
    with pytest.raises(BadInput, match=f"others can read this signing key .*{mode:04o}.*chmod 600 {path}"):
        SigningKey.load_or_create(path)


@pytest.mark.parametrize("content", [b"", b"k" * 31, b"k" * 33])
def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(BadInput, match="holds no signing key"):
        SigningKey.load_or_create(path)
    assert path.read_bytes() == content


def test_a_key_that_cannot_be_made_or_read_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="the signing key cannot be"):
        SigningKey.load_or_create(tmp_path / "file" / "ledger.key")
    with pytest.raises(NotFound, match="there is no signing key"):
        SigningKey.load(tmp_path / "ledger.key")
    with pytest.raises(BadInput, match="cannot be read"):
        SigningKey.load(tmp_path)


def test_a_public_key_is_named_by_its_digits_or_by_a_file(tmp_path: Path) -> None:
    assert read_public_key(KEY.public.hex()) == KEY.public
    (tmp_path / "public").write_text(f"{KEY.public.hex()}\n")
    assert read_public_key(str(tmp_path / "public")) == KEY.public
    made = SigningKey.load_or_create(tmp_path / "ledger.key")
    assert read_public_key(str(tmp_path / "ledger.key")) == made.public


def test_what_names_no_public_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="neither a public key in 64 hex digits nor a file"):
        read_public_key("abcd")
    (tmp_path / "prose").write_text("dear diary")
    (tmp_path / "prose").chmod(0o600)
    with pytest.raises(BadInput, match="holds no signing key"):
        read_public_key(str(tmp_path / "prose"))


def test_a_seed_has_32_bytes_and_a_file_of_keys_is_one(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has 32 bytes, not 31"):
        SigningKey(b"k" * 31)
    with pytest.raises(BadInput, match="cannot be read"):
        read_public_key(str(tmp_path))


def test_a_key_shows_nothing_of_itself() -> None:
    assert "6b6b" not in repr(KEY)
    assert "kkkk" not in repr(KEY)
    assert not hasattr(KEY, "__dict__")


def test_what_signs_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys; from bailiwick.ledger import SigningKey, can_sign; k = SigningKey(bytes(32)); assert can_sign(); "
        "assert not [m for m in sys.modules if m.startswith('cryptography')]; k.public; assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert can_sign()
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    assert not can_sign()
    with pytest.raises(BadInput, match=r"pip install 'bailiwick\[proof\]'"):
        SigningKey.load_or_create(tmp_path / "ledger.key")
    assert list(tmp_path.iterdir()) == []
