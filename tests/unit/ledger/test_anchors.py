"""Places for anchors: files that are only appended to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bailiwick.effects import Attestation
from bailiwick.errors import BadInput
from bailiwick.ledger import Anchored, Head, Place, SigningKey, as_line, attest

KEY = SigningKey(b"k" * 32)


def anchor(seq: int) -> Attestation:
    return attest(KEY, Head(seq, bytes([seq]) * 32), at_ns=seq)


def test_what_is_put_there_is_read_back_in_order(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "anchors.jsonl"))
    for seq in (1, 2, 3):
        place.put(anchor(seq))
    assert place.read() == Anchored((anchor(1), anchor(2), anchor(3)), 0)


def test_a_line_is_json_with_bytes_in_hex(tmp_path: Path) -> None:
    """Other programs read it, so its form stays."""
    place = Place(str(tmp_path / "anchors.jsonl"))
    place.put(anchor(7))
    text = place.path.read_text()
    assert text == as_line(anchor(7)).decode() + "\n"
    assert json.loads(text) == {
        "seq": 7,
        "hash": "07" * 32,
        "key": KEY.public.hex(),
        "signature": anchor(7).signature.hex(),
        "at_ns": 7,
    }


def test_a_line_that_a_crash_tore_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    Place(str(path)).put(anchor(1))
    with path.open("ab") as file:
        file.write(as_line(anchor(2))[:40])
    after = Place(str(path))
    after.put(anchor(3))
    after.put(anchor(4))
    assert after.read() == Anchored((anchor(1), anchor(3), anchor(4)), 1)


@pytest.mark.parametrize("line", ["{}", "[]", "seq", '{"seq":1,"hash":"zz","key":"","signature":"","at_ns":0}', "\xff"])
def test_a_line_that_is_no_anchor_is_counted(tmp_path: Path, line: str) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(line.encode("latin-1") + b"\n\n" + as_line(anchor(1)) + b"\n")
    assert Place(str(path)).read() == Anchored((anchor(1),), 1)


def test_the_directory_of_an_unmounted_disk_is_not_made(tmp_path: Path) -> None:
    place = Place(str(tmp_path / "mnt" / "anchors.jsonl"))
    with pytest.raises(FileNotFoundError):
        place.put(anchor(1))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_half_a_line_has_not_taken_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(str(tmp_path / "anchors.jsonl"))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:30]))
    with pytest.raises(OSError, match="only a part"):
        place.put(anchor(1))
    monkeypatch.undo()
    place.put(anchor(2))
    assert place.read() == Anchored((anchor(2),), 1)


def test_a_place_is_a_path_or_a_url_of_one(tmp_path: Path) -> None:
    path = tmp_path / "with space.jsonl"
    assert Place(str(path)).path == path
    assert Place(f"file:{tmp_path}/with%20space.jsonl").path == path
    assert Place(f"file://{tmp_path}/with%20space.jsonl").path == path
    assert Place("anchors.jsonl").path == Path.cwd() / "anchors.jsonl"
    assert Place("~/anchors.jsonl").path == Path.home() / "anchors.jsonl"


@pytest.mark.parametrize("name", ["", "https://example.org/anchors", "file:", "file://elsewhere/anchors.jsonl"])
def test_what_is_no_file_here_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="anchors: "):
        Place(name)
