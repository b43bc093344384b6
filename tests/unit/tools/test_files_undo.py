"""Taking back what the tools did to files: exactly, once, and never over a later edit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bailiwick.effects import IdempotencyKey, Tool
from bailiwick.errors import BadInput, Conflict, NotAllowed, NotFound
from bailiwick.tools import delete_file, forget_kept, move_file, write_file

KEY = IdempotencyKey("eff_1")
LONG_AGO_NS = 1_234_567_890_123_456_789


def undo(tool: Tool, *args: str, result: object = None, key: IdempotencyKey = KEY) -> None:
    assert tool.undo is not None
    tool.undo(*args, key=key, result=result)


def old_file(path: Path, content: str = "old", mode: int = 0o640) -> tuple[bytes, int, int]:
    path.write_text(content)
    path.chmod(mode)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return look(path)


def look(path: Path) -> tuple[bytes, int, int]:
    status = path.stat()
    return path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns


def store(directory: Path) -> Path:
    return directory / f".bailiwick-undo-{os.geteuid()}"


@pytest.mark.parametrize("blind", [False, True])
def test_a_file_that_was_written_over_is_again_exactly_what_it_was(tmp_path: Path, blind: bool) -> None:
    file = tmp_path / "a"
    before = old_file(file)
    written = write_file(str(file), "new", key=KEY)
    undo(write_file, str(file), "new", result=None if blind else written)
    assert look(file) == before
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("blind", [False, True])
def test_a_file_that_was_not_there_is_gone_again(tmp_path: Path, blind: bool) -> None:
    written = write_file(str(tmp_path / "a"), "new", key=KEY)
    undo(write_file, str(tmp_path / "a"), "new", result=None if blind else written)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("blind", [False, True])
def test_a_deleted_file_is_back_and_the_same(tmp_path: Path, blind: bool) -> None:
    before = old_file(tmp_path / "a")
    deleted = delete_file(str(tmp_path / "a"), key=KEY)
    assert not (tmp_path / "a").exists()
    undo(delete_file, str(tmp_path / "a"), result=None if blind else deleted)
    assert look(tmp_path / "a") == before
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("blind", [False, True])
def test_a_moved_file_has_its_old_name_again(tmp_path: Path, blind: bool) -> None:
    (tmp_path / "d").mkdir()
    before = old_file(tmp_path / "a")
    names = str(tmp_path / "a"), str(tmp_path / "d" / "b")
    moved = move_file(*names, key=KEY)
    assert look(tmp_path / "d" / "b") == before
    undo(move_file, *names, result=None if blind else moved)
    assert look(tmp_path / "a") == before
    assert os.listdir(tmp_path / "d") == []


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize(("tool", "args"), [(write_file, ("a", "new")), (delete_file, ("a",)), (move_file, ("a", "b"))])
def test_undone_twice_is_as_good_as_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Tool, args: tuple[str, ...], blind: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    before = old_file(tmp_path / "a")
    result = tool(*args, key=KEY)
    for _ in range(2):
        undo(tool, *args, result=None if blind else result)
        assert look(tmp_path / "a") == before
        assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("tool", "args"), [(write_file, ("a", "new")), (delete_file, ("a",)), (move_file, ("a", "b"))])
@pytest.mark.parametrize("there", [True, False])
def test_undoing_what_never_happened_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: Tool, args: tuple[str, ...], there: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    before = old_file(tmp_path / "a") if there else None
    undo(tool, *args)
    undo(tool, *(f"missing/{name}" for name in args))
    assert os.listdir(tmp_path) == (["a"] if there else [])
    assert before is None or look(tmp_path / "a") == before


def _edit(path: Path) -> None:
    path.write_text("edited by somebody")


def _touch_mode(path: Path) -> None:
    path.chmod(0o600)


def _remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("change", [_edit, _touch_mode, _remove])
def test_what_was_written_is_not_undone_over_a_later_change(tmp_path: Path, change: Any, blind: bool) -> None:
    file = tmp_path / "a"
    old_file(file)
    written = write_file(str(file), "new", key=KEY)
    change(file)
    left = look(file) if file.exists() else None
    with pytest.raises(Conflict, match=r"undoing that would lose a later change, so nothing was touched; what was there before is .*eff_1"):
        undo(write_file, str(file), "new", result=None if blind else written)
    assert (look(file) if file.exists() else None) == left
    assert (store(tmp_path) / "eff_1").read_text() == "old"


def test_a_new_file_that_was_edited_since_stays(tmp_path: Path) -> None:
    written = write_file(str(tmp_path / "a"), "new", key=KEY)
    _edit(tmp_path / "a")
    with pytest.raises(Conflict):
        undo(write_file, str(tmp_path / "a"), "new", result=written)
    assert (tmp_path / "a").read_text() == "edited by somebody"


def test_a_deleted_file_is_not_put_back_over_another(tmp_path: Path) -> None:
    old_file(tmp_path / "a")
    deleted = delete_file(str(tmp_path / "a"), key=KEY)
    (tmp_path / "a").write_text("somebody's")
    with pytest.raises(Conflict):
        undo(delete_file, str(tmp_path / "a"), result=deleted)
    assert (tmp_path / "a").read_text() == "somebody's"


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("changed", ["a", "b"])
def test_a_moved_file_is_not_moved_back_over_another_or_after_an_edit(tmp_path: Path, changed: str, blind: bool) -> None:
    old_file(tmp_path / "a")
    names = str(tmp_path / "a"), str(tmp_path / "b")
    moved = move_file(*names, key=KEY)
    (tmp_path / changed).write_text("somebody's")
    with pytest.raises(Conflict):
        undo(move_file, *names, result=None if blind else moved)
    assert (tmp_path / changed).read_text() == "somebody's"


def test_what_is_kept_is_for_the_owner_alone(tmp_path: Path) -> None:
    old_file(tmp_path / "a", "secret", 0o644)
    write_file(str(tmp_path / "a"), "new", key=KEY)
    assert stat.S_IMODE(store(tmp_path).stat().st_mode) == 0o700


@pytest.mark.parametrize("how", ["open to others", "a link"])
def test_nothing_is_kept_where_others_can_look(tmp_path: Path, how: str) -> None:
    before = old_file(tmp_path / "a")
    if how == "a link":
        (tmp_path / "elsewhere").mkdir(0o700)
        store(tmp_path).symlink_to("elsewhere")
    else:
        store(tmp_path).mkdir()
        store(tmp_path).chmod(0o755)
    for tool, args in ((write_file, ("a", "new")), (delete_file, ("a",)), (move_file, ("a", "b"))):
        with pytest.raises(NotAllowed, match="no directory that only you can enter"):
            tool(str(tmp_path / args[0]), *(str(tmp_path / "b") if tool is move_file else name for name in args[1:]), key=KEY)
        assert look(tmp_path / "a") == before


def test_a_key_that_is_no_name_of_a_file_stays_inside(tmp_path: Path) -> None:
    before = old_file(tmp_path / "a")
    key = IdempotencyKey("../branch/" + "x" * 300)
    written = write_file(str(tmp_path / "a"), "new", key=key)
    assert sorted(os.listdir(tmp_path)) == sorted(["a", store(tmp_path).name])
    undo(write_file, str(tmp_path / "a"), "new", result=written, key=key)
    assert look(tmp_path / "a") == before


def test_a_plain_call_is_no_effect_and_keeps_nothing(tmp_path: Path) -> None:
    for name in "ab":
        old_file(tmp_path / name)
    write_file(str(tmp_path / "a"), "new")
    delete_file(str(tmp_path / "b"))
    move_file(str(tmp_path / "a"), str(tmp_path / "c"))
    assert os.listdir(tmp_path) == ["c"]


def test_a_failed_write_keeps_nothing_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = old_file(tmp_path / "a")

    def full(source: str | Path, target: str | Path) -> None:
        if Path(target).name == "a":
            raise OSError(errno.ENOSPC, "No space left on device")
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(str(tmp_path / "a"), "new", key=KEY)
    assert look(tmp_path / "a") == before
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_kept_is_on_disk_before_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old_file(tmp_path / "a")
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def see_fsync(descriptor: int) -> None:
        order.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        fsync(descriptor)

    def see_replace(source: Path, target: Path) -> None:
        order.append(f"name {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", see_fsync)
    monkeypatch.setattr(os, "replace", see_replace)
    write_file(str(tmp_path / "a"), "new", key=KEY)
    kept, changed = order.index("name eff_1"), order.index("name a")
    assert "sync eff_1.part" in order[:kept]
    assert f"sync {store(tmp_path).name}" in order[kept:changed]


def test_a_second_try_keeps_what_was_there_before_the_first(tmp_path: Path) -> None:
    before = old_file(tmp_path / "a")
    written = [write_file(str(tmp_path / "a"), "new", key=KEY) for _ in range(2)]
    assert written[0] == written[1]
    undo(write_file, str(tmp_path / "a"), "new", result=written[1])
    assert look(tmp_path / "a") == before


def test_a_second_try_after_an_edit_keeps_the_edit(tmp_path: Path) -> None:
    old_file(tmp_path / "a")
    write_file(str(tmp_path / "a"), "new", key=KEY)
    before = old_file(tmp_path / "a", "edited")
    written = write_file(str(tmp_path / "a"), "new", key=KEY)
    undo(write_file, str(tmp_path / "a"), "new", result=written)
    assert look(tmp_path / "a") == before


def test_a_delete_and_a_move_that_had_come_off_say_so_when_tried_again(tmp_path: Path) -> None:
    for name in "ab":
        old_file(tmp_path / name)
    assert delete_file(str(tmp_path / "a"), key=KEY) == delete_file(str(tmp_path / "a"), key=KEY)
    names, key = (str(tmp_path / "b"), str(tmp_path / "c")), IdempotencyKey("eff_2")
    assert move_file(*names, key=key) == move_file(*names, key=key)


def test_a_link_is_written_through_but_deleted_and_moved_itself(tmp_path: Path) -> None:
    before = old_file(tmp_path / "a")
    (tmp_path / "link").symlink_to("a")
    moved = move_file(str(tmp_path / "link"), str(tmp_path / "other"), key=IdempotencyKey("eff_2"))
    deleted = delete_file(str(tmp_path / "other"), key=KEY)
    assert look(tmp_path / "a") == before
    undo(delete_file, str(tmp_path / "other"), result=deleted)
    undo(move_file, str(tmp_path / "link"), str(tmp_path / "other"), result=moved, key=IdempotencyKey("eff_2"))
    assert os.readlink(tmp_path / "link") == "a"
    written = write_file(str(tmp_path / "link"), "new", key=KEY)
    undo(write_file, str(tmp_path / "link"), "new", result=written)
    assert (tmp_path / "link").is_symlink()
    assert look(tmp_path / "a") == before


def test_what_cannot_be_deleted_or_moved_is_refused_with_the_reason(tmp_path: Path) -> None:
    old_file(tmp_path / "a")
    old_file(tmp_path / "b")
    here = str(tmp_path)
    for tool in (delete_file, lambda path: move_file(path, f"{here}/c")):
        with pytest.raises(NotFound, match="there is no file"):
            tool(f"{here}/missing")
        with pytest.raises(BadInput, match="is a directory"):
            tool(here)
    with pytest.raises(BadInput, match="there is a file .*/b already; delete it first"):
        move_file(f"{here}/a", f"{here}/b")
    with pytest.raises(BadInput, match="there is no directory .*/missing"):
        move_file(f"{here}/a", f"{here}/missing/b", key=KEY)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_files_can_be_moved_and_brought_back_where_a_file_has_one_name_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    before = old_file(tmp_path / "a")
    names = str(tmp_path / "a"), str(tmp_path / "b")
    moved = move_file(*names, key=KEY)
    assert os.path.exists(names[1])
    undo(move_file, *names, result=moved)
    deleted = delete_file(names[0], key=KEY)
    undo(delete_file, names[0], result=deleted)
    assert look(tmp_path / "a") == before


def test_what_is_kept_can_be_forgotten_by_age_and_then_is_not_made_up(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    old_file(folder / "a")
    written = write_file(str(folder / "a"), "new", key=KEY)
    kept_ns = (store(folder) / "eff_1").stat().st_ctime_ns
    store(tmp_path).symlink_to("folder")  # Not followed: what somebody else put there is not ours to delete.
    assert forget_kept(tmp_path, before_ns=kept_ns - 10**9) == 0
    assert forget_kept(tmp_path, before_ns=kept_ns + 10**9) == 1
    assert os.listdir(folder) == ["a"]
    assert forget_kept(tmp_path, before_ns=kept_ns + 10**9) == 0
    with pytest.raises(Conflict, match="not kept any more"):
        undo(write_file, str(folder / "a"), "new", result=written)
    assert (folder / "a").read_text() == "new"
