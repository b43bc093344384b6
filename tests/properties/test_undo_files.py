"""Whatever was written, deleted and moved, in whatever order: taken back in reverse, the tree is exactly what it was."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bailiwick.effects import IdempotencyKey, Tool
from bailiwick.errors import BadInput, NotFound
from bailiwick.tools import delete_file, move_file, write_file

NAMES = st.sampled_from(["a", "b", "d/a", "d/c"])
CONTENTS = st.sampled_from(["", "one", "two", "ünicode\n" * 100])
STEPS = st.one_of(
    st.tuples(st.just(write_file), NAMES, CONTENTS),
    st.tuples(st.just(delete_file), NAMES),
    st.tuples(st.just(move_file), NAMES, NAMES),
)
HOW = st.sampled_from(["with the result", "twice", "as after a crash"])
FILES = st.dictionaries(NAMES, st.tuples(CONTENTS, st.sampled_from([0o600, 0o644, 0o751]), st.integers(0, 2**61)))


def tree(root: Path) -> dict[str, tuple[bytes, int, int]]:
    found: dict[str, tuple[bytes, int, int]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(root))] = path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime_ns
    return found


@settings(max_examples=150)
@given(files=FILES, steps=st.lists(st.tuples(STEPS, HOW), max_size=10))
def test_steps_taken_back_in_reverse_give_the_exact_tree_back(files: dict[str, Any], steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "d").mkdir()
        for name, (content, mode, mtime_ns) in files.items():
            (root / name).write_text(content)
            (root / name).chmod(mode)
            os.utime(root / name, ns=(mtime_ns, mtime_ns))
        before = tree(root)
        done: list[tuple[Tool, list[str], IdempotencyKey, Any, str]] = []
        for number, ((tool, name, *rest), how) in enumerate(steps):
            args = [str(root / name), *(str(root / other) if tool is move_file else other for other in rest)]
            key = IdempotencyKey(f"eff_{number}")
            try:
                done.append((tool, args, key, tool(*args, key=key), how))
            except (NotFound, BadInput):
                done.append((tool, args, key, None, how))  # It did not happen, and undoing it does no harm.
        for tool, args, key, result, how in reversed(done):
            assert tool.undo is not None
            for _ in range(2 if how == "twice" else 1):
                tool.undo(*args, key=key, result=None if how == "as after a crash" else result)
        assert tree(root) == before
        assert list(root.rglob(".*")) == []
