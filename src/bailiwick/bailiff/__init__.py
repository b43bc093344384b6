"""The composition root: settings, and everything put together."""

from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.compose import open_bailiwick, read_ledger, session
from bailiwick.bailiff.root import Main, arguments_of, last_root
from bailiwick.bailiff.settings import Settings, load, load_charter

__all__ = ["Bailiwick", "Main", "Settings", "arguments_of", "last_root", "load", "load_charter", "open_bailiwick", "read_ledger", "session"]
