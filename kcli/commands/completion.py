"""kcli completion: print a script that completes commands, options and topics in bash, zsh or fish."""

import click

from kcli import options
from kcli.errors import Usage

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """
    eval "$(kcli completion bash)"                                   # in ~/.bashrc
    eval "$(kcli completion zsh)"                                    # in ~/.zshrc
    kcli completion fish > ~/.config/fish/completions/kcli.fish
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.argument("shell", metavar="bash|zsh|fish")
def command(shell: str) -> None:
    """Print a completion script for a shell; evaluate it where the shell starts."""
    from click.shell_completion import get_completion_class  # only this command needs it

    if shell not in SHELLS:
        raise Usage(f"kcli has no completion for '{shell}'", f"Choose from {', '.join(SHELLS)}.")
    found = get_completion_class(shell)
    assert found, "click has all of SHELLS"
    root = click.get_current_context().find_root().command
    script = found(root, {}, "kcli", "_KCLI_COMPLETE")
    click.echo(script.source_template % script.source_vars())
