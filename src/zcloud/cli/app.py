"""The program: its command group, and how every way of ending becomes an exit code."""

from __future__ import annotations

import gc
import os
import sys

import click

from zcloud import __version__
from zcloud.cli.base import EXIT_INTERRUPTED, EXIT_USAGE, Group
from zcloud.cli.problems import exit_code, show_error, show_usage_error
from zcloud.cli.text import _
from zcloud.cli.tree import TREE
from zcloud.client import ApiError

HELP = """A private cloud on KVM and libvirt.

Begin with `zcloud login`, then `zcloud launch NAME --image IMAGE`.
Exit codes: 0 done, 1 failed, 2 a difference was found, 3 not found, 4 refused, 64 wrong usage.
"""


def version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Print the version and end."""
    if value:
        click.echo(f"zcloud {__version__}")
        ctx.exit()


def program() -> Group:
    """Give the whole command tree; nothing of it is imported yet."""
    group = Group("zcloud", TREE, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
    group.params.append(
        click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=version, help=_("Say the version.")
        )
    )
    return group


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and give its exit code."""
    try:
        code = program().main(arguments, prog_name="zcloud", standalone_mode=False)
    except ApiError as error:
        show_error(error)
        return exit_code(error)
    except click.UsageError as error:
        show_usage_error(error)
        return EXIT_USAGE
    except click.ClickException as error:
        show_usage_error(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(_("Interrupted."), err=True)
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run the command line of this process."""
    gc.freeze()  # what is imported stays: a seventh of the CPU of `zcloud list` went into looking through it again
    code = run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough; Python must not complain while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
