"""``zcloud completion``: what makes a shell complete our commands and the names of things."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from zcloud.cli.base import command
from zcloud.cli.settings import App


@command
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(_app: App, shell: str) -> None:
    """Print a shell's completion script.

    bash: eval "$(zcloud completion bash)" in ~/.bashrc; zsh likewise in ~/.zshrc;
    fish: zcloud completion fish > ~/.config/fish/completions/zcloud.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    made = found(click.get_current_context().find_root().command, {}, "zcloud", "_ZCLOUD_COMPLETE")
    click.echo(made.source_template % made.source_vars())
