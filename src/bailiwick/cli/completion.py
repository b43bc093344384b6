"""``bailiwick completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    Examples:
      bailiwick completion bash > ~/.local/share/bash-completion/completions/bailiwick
      bailiwick completion fish > ~/.config/fish/completions/bailiwick.fish
    """
    from bailiwick.cli.app import bailiwick

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(bailiwick, {}, "bailiwick", "_BAILIWICK_COMPLETE").source())
