"""The tools that read and write files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from bailiwick.effects import EffectClass
from bailiwick.errors import BadInput, NotFound
from bailiwick.tools import Written, delete_file, move_file, read_file, write_file


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    content = "énergie\r\n\n12.20 eV"
    written = write_file(str(tmp_path / "a.txt"), content)
    data = content.encode()
    assert written == Written(path=str(tmp_path / "a.txt"), size_bytes=len(data), digest=hashlib.sha256(data).hexdigest())
    assert (tmp_path / "a.txt").read_bytes() == data
    assert read_file(str(tmp_path / "a.txt")) == content


def test_their_classes_say_what_repeating_them_does() -> None:
    assert [tool.effect for tool in (write_file, delete_file, move_file)] == [EffectClass.COMPENSABLE] * 3
    assert read_file.effect is EffectClass.READ


def test_writing_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    for content in ("long content", "short", "short"):
        write_file(str(tmp_path / "a.txt"), content)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "short"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    write_file(str(tmp_path / "a.txt"), "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        write_file(str(tmp_path / "a.txt"), "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_the_content_is_on_disk_before_its_name_and_the_name_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def see_fsync(descriptor: int) -> None:
        order.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def see_replace(source: Path, target: Path) -> None:
        order.append("name")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", see_fsync)
    monkeypatch.setattr(os, "replace", see_replace)
    write_file(str(tmp_path / "a.txt"), "new")
    assert order == ["content", "name", "directory"]


def test_permission_bits_stay_and_new_files_obey_the_umask(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("")
    old.chmod(0o751)
    before = os.umask(0o027)
    try:
        write_file(str(old), "1")
        write_file(str(new), "2")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o751, 0o640]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    written = write_file(str(tmp_path / "link"), "through")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "through"
    assert written.path == str(tmp_path / "target")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/a.txt", "there is no directory .*missing; make it first"),
        (".", "is a directory; give the path of a file"),
        ("file/a.txt", "a file on the way"),
        ("pipe", "is no regular file"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "file").write_text("stays")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInput, match=why):
        write_file(str(tmp_path / path), "new")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "file").read_text() == "stays"


def test_a_file_as_long_as_the_limit_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("12345678")
    assert read_file(str(tmp_path / "a.txt"), limit_bytes=8) == "12345678"
    with pytest.raises(BadInput, match="has 8 bytes, more than limit_bytes=7"):
        read_file(str(tmp_path / "a.txt"), limit_bytes=7)


@pytest.mark.parametrize("path", ["missing", "missing/a", "file/a"])
def test_a_file_that_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotFound, match="there is no file"):
        read_file(str(tmp_path / path))


def test_a_directory_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a directory"):
        read_file(str(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="is no regular file"):
        read_file(str(tmp_path / "pipe"))


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"ab\xff")
    with pytest.raises(BadInput, match="is not UTF-8 text: byte 2 is 0xff"):
        read_file(str(tmp_path / "a.bin"))
