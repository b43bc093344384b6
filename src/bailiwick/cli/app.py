"""The command ``bailiwick``: groups that load only what is called for, and one place where errors become lines and exit codes."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from bailiwick import __version__
from bailiwick.errors import BailiwickError

COMMANDS = {
    "agents": ("bailiwick.cli.agents", "Look at agents."),
    "budget": ("bailiwick.cli.budget", "See what agents were given to spend, and what they spent."),
    "charter": ("bailiwick.cli.charter", "Check what agents may do, and whether they kept to it."),
    "completion": ("bailiwick.cli.completion", "Print the completion script of a shell."),
    "demo": ("bailiwick.cli.demo", "Run a real campaign: closed-loop molecular design."),
    "effects": ("bailiwick.cli.effects", "Look at what agents did, and prove that the record is whole."),
    "grants": ("bailiwick.cli.grants", "See who may ask for what, and take it back."),
    "inbox": ("bailiwick.cli.inbox", "Decide on what agents may do only with your approval."),
    "ledger": ("bailiwick.cli.ledger", "See how the record is kept, and keep it small."),
    "run": ("bailiwick.cli.run", "Run a script's main(bw) on the record."),
    "runs": ("bailiwick.cli.runs", "Look at runs, go through them again, move them to changed code."),
}
INTERRUPTED = 130


class LazyGroup(click.Group):
    """Knows the names and one-line helps of its commands, and imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in sorted(COMMANDS.items())])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="""\b
Examples:
  bailiwick demo                     a campaign in seconds; kill it, then:
  bailiwick demo --resume            it goes on where the record ends
  bailiwick run my_agents.py         your own script
  bailiwick effects ls --state open  what is under way or in doubt

Exit codes: 0 done, 2 wrong usage, 3 refused, 4 unavailable, 5 failed, 6 unsettled, 7 defect, 130 interrupted.""",
)
@click.version_option(__version__, "--version", prog_name="bailiwick")
def bailiwick() -> None:
    """Run fleets of persistent agents, and keep each one inside its authority."""


def main() -> None:
    """Run the command line and leave with its exit code. Errors are one line on standard error that says what to do."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return its exit code."""
    try:
        # Outside standalone mode click returns the code of an `Exit`, and of any command what it returned: nothing.
        return bailiwick.main(arguments, prog_name="bailiwick", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("bailiwick: interrupted; everything recorded so far is safe", err=True)
        return INTERRUPTED
    except BailiwickError as error:
        click.echo(f"bailiwick: {error.message}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # The reader of our output has gone; Python would complain once more while it ends.
        return 0
