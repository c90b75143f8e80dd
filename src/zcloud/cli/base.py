"""What commands and groups are made of: loaded when used, global options everywhere, texts translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from zcloud.cli.asking import completer
from zcloud.cli.settings import FORMATS, App
from zcloud.cli.text import _

EXIT_FAILED, EXIT_DIFFERENCE, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 3, 4, 64, 130


class Noun(NamedTuple):
    """A group of commands: what it is about, and its verbs."""

    help: str
    verbs: Mapping[str, str | ServerCommand | Noun]


class ServerCommand(NamedTuple):
    """A command that needs the server's packages: where it is, and its help, so that listing it imports nothing."""

    target: str
    help: str


Tree = Mapping[str, str | ServerCommand | Noun]


class Command(click.Command):
    """A command that also takes the global options, wherever they stand."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        translate(self)
        self.params += global_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        common = [each for each in self.params if isinstance(each, GlobalOption)]
        own = [each for each in self.get_params(ctx) if isinstance(each, click.Option) and each not in common]
        for title, params in ((_("Options"), own), (_("Everywhere"), common)):
            records = [record for each in params if (record := each.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """A group whose commands are imported when they are used."""

    def __init__(self, name: str, tree: Tree, *, help: str, **kwargs: Any) -> None:
        super().__init__(name, help=_(help), no_args_is_help=True, **kwargs)
        self.tree = tree
        self.params += global_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names, as the table has them."""
        del ctx
        return list(self.tree)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and give a command; raises click.ClickException where its packages are not installed."""
        del ctx
        entry = self.tree.get(cmd_name)
        if entry is None:
            return None
        if isinstance(entry, Noun):
            return Group(cmd_name, entry.verbs, help=entry.help)
        return load(entry)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing the server."""
        rows = [(name, self._short_help(ctx, name)) for name in self.tree]
        with formatter.section(_("Commands")):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Give the command that is meant; for an unknown one say what is like it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches  # noqa: PLC0415 - only for the message

            near = get_close_matches(args[0], self.tree)
            hint = _("Did you mean {names}?").format(names=", ".join(near)) if near else ""
            raise click.UsageError(f"{error.message} {hint}".strip(), ctx) from None

    def _short_help(self, ctx: click.Context, name: str) -> str:
        entry = self.tree[name]
        if isinstance(entry, str):
            command = self.get_command(ctx, name)
            return command.get_short_help_str(100) if command else ""
        return _(entry.help)


class Refusal(click.ClickException):
    """Something that cannot be done as things are; nothing was changed."""

    exit_code = EXIT_REFUSED


class GlobalOption(click.Option):
    """An option that every command takes; its value goes to the App."""


_pass_app = click.make_pass_decorator(App, ensure=True)


def command(function: Callable[..., Any]) -> Command:
    """Make a command of a function whose first argument is the App; its docstring is the help."""
    return click.command(cls=Command)(_pass_app(function))


def load(entry: str | ServerCommand) -> click.Command:
    """Import a command from ``module:attribute``."""
    target = entry if isinstance(entry, str) else entry.target
    module, _colon, attribute = target.partition(":")
    try:
        loaded = getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if isinstance(entry, str):
            raise
        raise click.ClickException(
            _("This command needs the server's packages ({name} is missing): pip install 'zcloud[server]'").format(
                name=error.name
            )
        ) from error
    assert isinstance(loaded, click.Command)
    return loaded


def translate(made: click.Command) -> None:
    """Put a command's help texts into the person's language."""
    made.help = _(made.help or "")
    for param in made.params:
        if isinstance(param, click.Option):
            param.help = _(param.help or "")


def global_options() -> list[click.Parameter]:
    """Give the options that every command takes."""

    def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(App), str(param.name), value)

    def option(*names: str, **kwargs: Any) -> click.Parameter:
        return GlobalOption(names, expose_value=False, callback=remember, **{**kwargs, "help": _(kwargs["help"])})

    return [
        option("-o", "--output", "output", type=click.Choice(FORMATS), help="The form of what is printed."),
        option(
            "--project",
            "project_flag",
            metavar="NAME",
            shell_complete=completer("projects"),
            help="The project (ZCLOUD_PROJECT).",
        ),
        option("--url", "url_flag", metavar="URL", help="The server (ZCLOUD_URL)."),
        option("--ca", "ca_flag", metavar="FILE", help="The certificate of the server's authority (ZCLOUD_CA)."),
        option("-q", "--quiet", "quiet", is_flag=True, help="Print results only."),
    ]
