"""The `kcli` program: a table of commands, each imported when it is used; errors become words and exit codes."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from kcli import KAFKA_VERSION, __version__
from kcli.errors import FAILED, INTERRUPTED, SUCCESS, Failure, Usage

COMMANDS = {
    "topics": "List, describe, create, alter, delete topics.",
    "console-producer": "Write lines of standard input to a topic.",
    "console-consumer": "Print the records of a topic.",
    "producer-perf-test": "Write records as fast as they go, and measure it.",
    "consumer-perf-test": "Read records as fast as they come, and measure it.",
    "get-offsets": "Tell the offset of each partition: its end, its start, or at a time.",
    "delete-records": "Delete the records of partitions before an offset.",
    "groups": "List the groups of a cluster.",
    "consumer-groups": "List, describe, reset, copy, delete consumer groups.",
    "reassign-partitions": "Move partitions to other brokers or directories (short: reassign).",
    "transactions": "List, describe, abort transactions, find those that hang.",
    "lag": "Tell how far consumer groups are behind, in records and in time.",
    "e2e-latency": "Send records one by one, and time how long each takes to be read.",
    "perf": "Compare measured runs, plot one, sweep settings, write and read at once.",
    "leader-election": "Elect leaders: the preferred ones, or any that is left.",
    "storage": "Format the folders of a server, or tell what they hold.",
    "server-start": "Start a server in the foreground, or with -daemon behind.",
    "server-stop": "Stop the servers of this machine.",
    "cluster": "Run a local cluster, from up to wipe; tell what a cluster is.",
    "metadata-quorum": "Describe the quorum of controllers.",
    "context": "Name clusters, and choose the one that is meant when a command names none.",
    "completion": "Print a completion script for bash, zsh or fish.",
}

ALIASES = {"reassign": "reassign-partitions"}

# Tools of Kafka that this version has not got: named so that a user learns more than "no such command".
NOT_BUILT = frozenset(
    {
        "acls", "broker-api-versions", "client-metrics", "configs",
        "delegation-tokens", "dump-log", "features",
        "log-dirs", "replica-verification",
        "share-consumer-perf-test", "share-groups", "console-share-consumer", "streams-application-reset",
        "streams-groups", "verifiable-consumer", "verifiable-producer", "verifiable-share-consumer",
    }
)  # fmt: skip

# What a write ends with when there is no room: standard output may be a file on a full disk.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

VERSION = f"kcli {__version__} (Kafka {KAFKA_VERSION} tools)"


class Commands(click.Group):
    """The table as a click group: a command's module is imported when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        name = ALIASES.get(name, name)
        if name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(f"kcli.commands.{name.replace('-', '_')}").command
        found.name = name
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        typed = args[0]
        args = [typed.removeprefix("kafka-").removesuffix(".sh"), *args[1:]]  # the name of Kafka's script will do
        name = ALIASES.get(args[0], args[0])
        if name in NOT_BUILT:
            raise Usage(f"kcli {name} is not built yet in this version of kcli.", "Try 'kcli --help' for what is.")
        if name not in COMMANDS:
            raise Usage(f"kcli has no command '{typed}'.", _nearest(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(VERSION)
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every command has examples: kcli topics --help. Brokers: --bootstrap-server, else $KCLI_BOOTSTRAP_SERVER, "
    "the current context, localhost:9092. Help goes to standard output with exit code 0.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show where a failure comes from.")
def cli() -> None:
    """Apache Kafka's bin tools as one fast command."""


def run(args: Sequence[str], obj: Any = None) -> int:
    """Run one command line and return its exit code; known failures are told, unknown ones raised.

    obj  opens an Admin for a Connection in place of `client.connect`: how tests give a command another world
    """
    debug = "--debug" in args
    try:
        code = _invoked(list(args), obj)
        sys.stdout.flush()
    except Failure as failure:
        return _told(failure, debug)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return FAILED
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "kcli"
        return _told(Usage(error.format_message(), f"Try '{path} --help'."), debug)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()  # whoever read it has seen enough
        return SUCCESS
    except OSError as error:
        if error.errno not in FULL:
            raise
        _forget_output()
        return _told(Failure(f"Cannot write: {error.strerror}", None), debug)
    return code


def _forget_output() -> None:
    """What is still buffered for standard output goes nowhere; else Python would complain again at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoked(args: list[str], obj: Any) -> int:
    # Not click's main(): it ends with 1 when a pipe is closed.
    if "_KCLI_COMPLETE" in os.environ:
        cli.main(args=args, prog_name="kcli", complete_var="_KCLI_COMPLETE", obj=obj)  # answers the shell, and exits
    try:
        with cli.make_context("kcli", args, obj=obj) as context:
            code = cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return code if isinstance(code, int) else SUCCESS


def _told(failure: Failure, debug: bool) -> int:
    if debug:
        import traceback  # not for every start

        traceback.print_exception(failure)
    click.echo(failure.message, err=not failure.stdout)
    if failure.advice:
        click.echo(failure.advice, err=True)
    return failure.exit_code or FAILED


def _nearest(name: str) -> str:
    import difflib  # only for a mistake

    near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], 1)
    return f"Did you mean 'kcli {near[0]}'?" if near else "Try 'kcli --help'."
