"""Ordinary acts: Python functions in the event loop, in threads, in worker processes; files."""

from bailiwick.tools.files import read_file, write_file
from bailiwick.tools.records import Written
from bailiwick.tools.toolbox import ONE_THREAD_EACH, Toolbox

__all__ = ["ONE_THREAD_EACH", "Toolbox", "Written", "read_file", "write_file"]
