"""Ordinary acts: Python functions in the event loop, in threads, in worker processes; files."""

from bailiwick.tools.files import delete_file, move_file, read_file, write_file
from bailiwick.tools.kept import forget_kept
from bailiwick.tools.records import Deleted, FileState, Moved, Written
from bailiwick.tools.toolbox import ONE_THREAD_EACH, Toolbox

__all__ = [
    "ONE_THREAD_EACH",
    "Deleted",
    "FileState",
    "Moved",
    "Toolbox",
    "Written",
    "delete_file",
    "forget_kept",
    "move_file",
    "read_file",
    "write_file",
]
