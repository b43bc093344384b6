"""The composition root: settings, and everything put together."""

from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.compose import open_bailiwick, read_ledger, session
from bailiwick.bailiff.root import Main
from bailiwick.bailiff.settings import Settings, load, load_charter

__all__ = ["Bailiwick", "Main", "Settings", "load", "load_charter", "open_bailiwick", "read_ledger", "session"]
