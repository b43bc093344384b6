"""``bailiwick runs``: what was run, and what can be done with it."""

from __future__ import annotations

import click

from bailiwick.cli.branches import branches
from bailiwick.cli.migrate import migrate
from bailiwick.cli.replay import replay
from bailiwick.cli.roots import ls, show


@click.group()
def runs() -> None:
    """Look at runs, go through them again, move them to changed code.

    \b
    Examples:
      bailiwick runs ls
      bailiwick runs show run_019a…
      bailiwick runs replay run_019a…
      bailiwick runs replay run_019a… --change 3='"down"'
      bailiwick runs branches
      bailiwick runs migrate run_019a…
    """


runs.add_command(branches)
runs.add_command(migrate)
runs.add_command(replay)
runs.add_command(ls)
runs.add_command(show)
