"""``bailiwick effects tidy``: what undo keeps beside files, deleted by age."""

from __future__ import annotations

from pathlib import Path

import click

from bailiwick.cli.undo import moment
from bailiwick.clock import SystemClock
from bailiwick.errors import NotFound
from bailiwick.tools import forget_kept


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--before", default="30d", show_default=True, metavar="TIME", help="What was kept before then: 30d, 2h, or 2026-02-28.")
def tidy(directory: Path, before: str) -> None:
    """Delete what was kept in DIR, and below it, to undo changes of files. Those changes cannot be undone then.

    \b
    Examples:
      bailiwick effects tidy results
      bailiwick effects tidy . --before 7d
    """
    if not directory.is_dir():
        raise NotFound(f"{directory}: no such directory")
    now_ns = SystemClock().now_ns()
    forgotten = forget_kept(directory, before_ns=moment(before, "--before", now_ns))
    click.echo(f"{forgotten} files that were kept before then are deleted")
