"""The command face."""

from bailiwick.cli.app import main, run

__all__ = ["main", "run"]
