"""The manners of those tools of Kafka's that use argparse4j: storage, cluster, metadata-quorum.

They have sub-commands; any unambiguous beginning of an option will do; an option that comes again replaces what it said
before. The words for mistakes are argparse4j's; what is left out is the block of usage lines around them, since one
line says what is wrong and the next names the help.

    @click.group(cls=arguments.Tools, examples="kcli storage random-uuid")
    def command() -> None: ...

    @command.command()
    @click.option("--config", "-c", required=True)      # declared as Kafka does: the long name first
    @options.output
    def info(config: str) -> Report: ...
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import click

from kcli import client, manners, options
from kcli.errors import Failure, Setup, Usage
from kcli.manners import Given

Body = Callable[..., Any]
FILE_PREFIX = "@"
KINDS: dict[object, str] = {manners.INT: "Integer", manners.LONG: "Long", None: "Integer"}
OLD_CONFIG = (
    "Option --config has been deprecated and will be removed in a future version. Use --command-config instead."
)


class _Words(manners.Manners):
    """What argparse4j says, and does with options that come twice."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **{"abbreviations": True} | rest)

    def _option(self, table: Mapping[str, click.Option], token: str) -> click.Option:
        try:
            return super()._option(table, token)
        except Usage as usage:
            if usage.message.endswith("is not a recognized option"):
                raise Usage(f"unrecognized arguments: '{token.partition('=')[0]}'", usage.advice) from usage
            raise

    def _take(self, option: click.Option, token: str, rest: list[str], given: Given) -> str:
        if not option.is_flag and "=" not in token and not rest:
            raise Usage(f"argument {_spelled(option)}: expected one argument")
        if not option.multiple:
            given.forget(manners.long_name(option))
        return super()._take(option, token, rest, given)

    def _unreadable(self, error: click.BadParameter, given: Given) -> Failure:
        option = error.param
        if not isinstance(option, click.Option):
            return super()._unreadable(error, given)
        if isinstance(error, click.MissingParameter):
            return Usage(f"argument {_spelled(option)} is required")
        value = given.values(manners.long_name(option))[-1]
        if isinstance(option.type, click.Choice):
            return super()._unreadable(error, given)
        kind = KINDS.get(getattr(option.type, "func", None), "Double")
        told = f"could not convert '{value}' to {kind} (For input string: \"{value}\")"
        return Usage(f"argument {_spelled(option)}: {told}")


class Tool(_Words, manners.Tool):
    """A sub-command.

    exclusive  groups of long names (`--status`) of which at most one may be given
    """

    def __init__(self, *args: Any, exclusive: Sequence[Sequence[str]] = (), **rest: Any) -> None:
        self.exclusive = exclusive
        super().__init__(*args, **rest)

    def _check(self, given: Given) -> None:
        for group in self.exclusive:
            first, second, *_ = *(name for name in given.names() if f"--{name}" in group), None, None
            if first and second:
                raise Usage(f"argument {self._named(second)}: not allowed with argument {self._named(first)}")
        super()._check(given)

    def _named(self, name: str) -> str:
        return next(_spelled(p) for p in self.params if isinstance(p, click.Option) and f"--{name}" in p.opts)


class Tools(_Words, manners.Tools):
    """A command of sub-commands.

    from_files  a word `@FILE` stands for the lines of the file
    """

    command_class = Tool

    def __init__(self, *args: Any, from_files: bool = False, **rest: Any) -> None:
        self.from_files = from_files
        super().__init__(*args, **rest)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.from_files:
            args = [word for arg in args for word in (_lines(arg[1:]) if arg.startswith(FILE_PREFIX) else [arg])]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = list(self.commands)
        if args[0] not in known:
            import difflib  # only for a mistake

            near = difflib.get_close_matches(args[0], known, 1)
            choices = ", ".join(f"'{name}'" for name in known)
            raise Usage(
                f"invalid choice: '{args[0]}' (choose from {choices})", f"Did you mean {near[0]}?" if near else None
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if error.ctx is ctx and not isinstance(error, click.BadParameter):  # options, and no sub-command
                raise Usage("too few arguments", f"Try '{ctx.command_path} --help'.") from error
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def bootstrap(body: Body) -> Body:
    """Add the options of a connection, to brokers or to controllers; the body gets `admin` and `controllers`.

    controllers  whether the addresses are those of controllers
    They may stand before the sub-command as well, if the group has them, too (`bootstrap_of_group`).
    """

    def framed(config: str | None = None, **rest: Any) -> Any:
        if config is not None:
            options.notice(OLD_CONFIG)
        typed = _Typed.of(rest, config)
        connection = options.connect_to(typed.servers or typed.controllers, typed.config, typed.properties)
        with (click.get_current_context().obj or client.connect)(connection) as admin:
            return body(admin=admin, controllers=typed.controllers is not None, **rest)

    functools.update_wrapper(framed, body)
    return _connection(framed)


def bootstrap_and_config(body: Body) -> Body:
    """Add the same options; the body gets `admin`, and the path of `command_config`, which is there if it is given."""

    def framed(**rest: Any) -> Any:
        typed = _Typed.of(rest)
        connection = options.connect_to(typed.servers or typed.controllers, typed.config, typed.properties)
        with (click.get_current_context().obj or client.connect)(connection) as admin:
            return body(admin=admin, command_config=typed.config, **rest)

    functools.update_wrapper(framed, body)
    return _connection(framed)


class _Typed(NamedTuple):
    """The options of the connection as they were typed, before or behind the sub-command."""

    servers: str | None
    controllers: str | None
    config: str | None
    properties: tuple[str, ...]

    @classmethod
    def of(cls, given: dict[str, Any], old_config: str | None = None) -> Self:
        """Take them out of a body's arguments. Raises Usage, Setup."""
        above = click.get_current_context().parent
        outer = above.params if above else {}
        one = {
            name: given.pop(name) or outer.get(name)
            for name in ("bootstrap_server", "bootstrap_controller", "command_config")
        }
        if one["bootstrap_server"] and one["bootstrap_controller"]:
            raise Usage("argument --bootstrap-controller: not allowed with argument --bootstrap-server")
        config = one["command_config"] or old_config
        if config is not None and not os.path.exists(config):
            raise Setup(f"Properties file {config} does not exists!")  # as Kafka has it
        more = (*outer.get("command_property", ()), *given.pop("command_property"))
        return cls(one["bootstrap_server"], one["bootstrap_controller"], config, more)


def old_config(body: Body) -> Body:
    """Add --config, the name that --command-config had before Kafka 4.2, to a body of `bootstrap`."""
    return click.option("--config", metavar="FILE", help="Old name of --command-config.")(body)


def bootstrap_of_group(body: Body) -> Body:
    """Add the same options to a group, for tools that want them before the sub-command."""

    @functools.wraps(body)
    def framed(**_: Any) -> Any:
        return body()

    return _connection(framed)


def _connection(body: Body) -> Body:
    for option in (
        click.option("--command-property", metavar="KEY=VALUE", multiple=True, help="One client property; repeatable."),
        click.option("--command-config", "-c", metavar="FILE", help="Client properties file."),
        click.option("--bootstrap-controller", "-C", metavar="HOST:PORT,...", help="Ask these controllers instead."),
        click.option("--bootstrap-server", "-b", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP),
    ):
        body = option(body)
    return body


def _spelled(option: click.Option) -> str:
    return "/".join(option.opts)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"Could not read arguments from file '{path}'") from error
