"""What all commands share: the connection and output options, and the frames around their bodies.

A command declares its options with click and takes its manners from `Tool` (kcli/commands/topics.py is the model):

    @click.command(cls=options.Tool, actions={"list": "List the topics."}, check=check, examples="kcli topics --list")
    @click.option("--topic", metavar="REGEX", help="...")
    @options.connection     # the body gets `admin`
    @options.output         # the body returns a Report; this prints it
    def command(admin: Admin, action: str, topic: str | None) -> Report: ...

`Tool`, `Tools` and what else a declaration needs of kcli.manners is to be had here.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from kcli import client, contexts, properties
from kcli.errors import FAILED, SUCCESS, Failure, Usage
from kcli.manners import INT, LONG, Given, Manners, OptionalValue, Parted, Tool, Tools, long_name
from kcli.properties import Connection
from kcli.report import Report

__all__ = [
    "BOOTSTRAP_HELP",
    "INT",
    "LONG",
    "Given",
    "Manners",
    "OptionalValue",
    "Parted",
    "Tool",
    "Tools",
    "connect_to",
    "connection",
    "connection_with",
    "endpoint",
    "group",
    "long_name",
    "notice",
    "output",
    "topic_names",
]

Body = Callable[..., Any]
COMPLETION_TIMEOUT_MS = 1000


def connection(body: Body) -> Body:
    """Add --bootstrap-server, --command-config, --command-property; the body gets an open Admin as `admin`."""
    return connection_with({})(body)


def connection_with(defaults: Mapping[str, str], old_config: str | None = None) -> Callable[[Body], Body]:
    """As `connection`, for a tool with client settings of its own.

    defaults    what holds where neither the file nor an option says otherwise
    old_config  Kafka's deprecated name of --command-config
    """

    def decorate(body: Body) -> Body:
        def framed(
            bootstrap_server: str | None, command_config: str | None, command_property: tuple[str, ...], **rest: Any
        ) -> Any:
            path = rest.pop("old_config") if old_config else None
            made = connect_to(bootstrap_server, command_config or path, command_property)
            made = made._replace(settings={**defaults, **made.settings})
            with (click.get_current_context().obj or client.connect)(made) as admin:
                return body(admin=admin, **rest)

        functools.update_wrapper(framed, body)
        old = [click.option(f"--{old_config}", "old_config", metavar="FILE", help="The old name of --command-config.")]
        return _add(framed, *_ENDPOINT, *(old if old_config else ()))

    return decorate


def endpoint(body: Body) -> Body:
    """Add the same options; the body gets a Connection as `connection`, for commands with a client of their own."""

    @functools.wraps(body)
    def framed(
        bootstrap_server: str | None, command_config: str | None, command_property: tuple[str, ...], **rest: Any
    ) -> Any:
        return body(connection=connect_to(bootstrap_server, command_config, command_property), **rest)

    return _add(framed, *_ENDPOINT)


BOOTSTRAP_HELP = (
    f"The brokers to connect to. Default: $KCLI_BOOTSTRAP_SERVER, the current context, {properties.DEFAULT_BOOTSTRAP}."
)
_ENDPOINT = (
    click.option("--bootstrap-server", metavar="HOST:PORT,...", help=BOOTSTRAP_HELP),
    click.option("--command-config", metavar="FILE", help="Client properties file (security.protocol=... and so on)."),
    click.option("--command-property", metavar="KEY=VALUE", multiple=True, help="One client property; repeatable."),
)


def group(told: str | None, config: str | None, pairs: Sequence[str]) -> str | None:
    """The group that a consumer is told of: by --group, by properties, by a file. Raises Usage: they do not agree."""
    file = properties.load(config) if config else {}
    found = {told, properties.pairs(pairs).get("group.id"), file.get("group.id")}
    groups = sorted(group for group in found if group is not None)
    if len(groups) > 1:
        raise Usage(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via "
            f"'--consumer.config') do not match. Detected group ids: {', '.join(map(repr, groups))}"
        )
    return groups[0] if groups else None


def connect_to(bootstrap: str | None, config: str | None, overrides: Iterable[str] = ()) -> Connection:
    """Make a Connection from what was typed; `overrides` are key=value texts that win over the file."""
    path = config or (contexts.current().get("command-config") if bootstrap is None else None)
    settings = (properties.load(path) if path else {}) | properties.pairs(overrides)
    return Connection(properties.addresses(properties.bootstrap(bootstrap, settings)), settings)


def output(body: Callable[..., Report]) -> Body:
    """Add --output; print the body's Report. The exit code is 1 if an item of it failed."""

    @functools.wraps(body)
    def framed(output: str, **values: Any) -> int:
        report = body(**values)
        if output == "text":
            click.echo(report.text, nl=False)
        else:
            click.echo(_serialized(report.data, output), nl=False)
        for failure in report.failures:
            click.echo(failure, err=True)
        return report.exit_code or (FAILED if report.failures or report.failed else SUCCESS)

    choice = click.Choice(["text", "json", "yaml"])
    return click.option("--output", type=choice, default="text", help="text is what Kafka prints. Default: text.")(
        framed
    )


def topic_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a topic, if a broker tells them at once."""
    given = ctx.params
    quick = [*(given.get("command_property") or ()), f"request.timeout.ms={COMPLETION_TIMEOUT_MS}"]
    try:
        connection = connect_to(given.get("bootstrap_server"), given.get("command_config"), quick)
        with (ctx.obj or client.connect)(connection) as admin:
            return [topic.name for topic in admin.list_topics() if topic.name.startswith(incomplete)]
    except Failure:
        return []  # a shell is no place to complain


def notice(text: str) -> None:
    """Tell something before the result: on standard output as Kafka does, beside it when the output is data."""
    context = click.get_current_context(silent=True)
    click.echo(text, err=context is not None and context.params.get("output", "text") != "text")


def _serialized(data: object, output: str) -> str:
    if output == "yaml":
        import yaml  # slow to import, seldom asked for

        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    import orjson

    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _add(body: Body, *options: Callable[[Body], Body]) -> Body:
    for option in reversed(options):
        body = option(body)
    return body
