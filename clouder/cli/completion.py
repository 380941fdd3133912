"""`clouder completion`: the scripts that let a shell complete."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from clouder.cli.root import MODULES, root

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    help=MODULES["completion"],
    epilog="""\b
Examples:
  clouder completion bash > ~/.local/share/bash-completion/completions/clouder
  clouder completion zsh > ~/.zfunc/_clouder
  clouder completion fish > ~/.config/fish/completions/clouder.fish""",
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script for one shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    complete = kind(root, {}, "clouder", "_CLOUDER_COMPLETE")
    # The base class does not run the shell only to ask its version, as bash's own does.
    click.echo(ShellComplete.source(complete), nl=False)
