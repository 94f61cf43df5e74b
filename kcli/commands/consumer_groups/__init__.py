"""kcli consumer-groups: list, describe, reset and delete consumer groups (bin/kafka-consumer-groups.sh).

Beyond Kafka: exit code 1 for every failure; a reset shows what it skips and repeats before it asks, and can be undone;
offsets can be copied to another group; errors in CSV files name line and column.
"""

from collections.abc import Callable
from typing import Any

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.consumer_groups import deleting, frame, listing
from kcli.commands.consumer_groups.parts import PARTS
from kcli.commands.consumer_groups.reset import reset_offsets
from kcli.errors import Usage
from kcli.options import Given
from kcli.plan import groups as groups_plan
from kcli.plan.resets import SCENARIOS
from kcli.report import Report

EXAMPLES = """
    kcli consumer-groups --list --state --type
    kcli consumer-groups --describe --group orders-app
    kcli consumer-groups --describe --all-groups --members --verbose
    kcli consumer-groups --reset-offsets --group orders-app --topic orders --to-earliest --execute
    kcli consumer-groups --reset-offsets --group orders-app --all-topics --by-duration PT6H --dry-run
    kcli consumer-groups --reset-offsets --group orders-app --all-topics --to-current --export --dry-run > offsets.csv
    kcli consumer-groups undo
    kcli consumer-groups copy orders-app orders-app-2
    kcli consumer-groups --delete --group orders-app
"""
ACTIONS = {
    "list": "List the groups.",
    "describe": "Describe groups: how far they are, their members (--members), their state (--state).",
    "delete": "Delete groups that have no members.",
    "reset-offsets": "Give groups without members new offsets; with --execute.",
    "delete-offsets": "Forget what a group has committed for topics.",
}
REGEX = "validate-regex"
NEITHER = (
    "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require "
    "either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are "
    "scripting this command and want to keep the current default behavior without prompting."
)
VIEWS = ("members", "offsets", "state")


class _Tool(options.Parted):
    """One of the actions takes a value."""

    def _check(self, given: Given) -> None:
        every = [*ACTIONS, REGEX]
        if sum(map(given.has, every)) != 1:
            raise Usage(f"Command must include exactly one action: {', '.join(f'--{name}' for name in every)}")
        check(given)


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order; --bootstrap-server has a default here."""
    if given.has("describe"):
        _one_scope(given, "describe", "[all-groups], [group]")
        if sum(map(given.has, VIEWS)) > 1:
            raise Usage("Option [describe] takes at most one of these options: [members], [offsets], [state]")
        if any(given.values("state")):
            raise Usage("Option [describe] does not take a value for [state]")
    if given.has("delete"):
        _one_scope(given, "delete", "[group], [all-groups]")
        if given.has("topic"):
            raise Usage("The consumer does not support topic-specific offset deletion from a consumer group.")
    if given.has("delete-offsets") and not (given.has("topic") and given.has("group")):
        raise Usage("Option [delete-offsets] takes the following options: [topic], [group]")
    if given.has("delete-offsets") and len(given.values("group")) > 1:
        raise Usage("Found multiple arguments for option group, but you asked for only one")
    if given.has("reset-offsets"):
        _check_reset(given)
    given.forbid("group", "all-groups", "list")
    given.forbid("topic", "list", "describe")
    _only_with(given, "type", "list")
    _only_with(given, "state", "list", "describe")
    for name in ("members", "offsets"):
        _only_with(given, name, "describe")
    _only_with(given, "verbose", "describe")
    for name in ("execute", "dry-run", "export", "all-topics", *SCENARIOS):
        _only_with(given, name, "reset-offsets")
    groups_plan.scopes(given.values("topic"))


def _check_reset(given: Given) -> None:
    if given.has("dry-run") and given.has("execute"):
        raise Usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]")
    if not (given.has("dry-run") or given.has("execute")):
        click.echo(NEITHER, err=True)
    _one_scope(given, "reset-offsets", "[all-groups], [group]")
    for at, name in enumerate(EXCLUSIVE):
        given.forbid(name, *EXCLUSIVE[at + 1 :])
    if not (given.has("all-topics") or given.has("topic") or given.has("from-file")):
        raise Usage("One of the reset scopes should be defined: --all-topics, --topic.")
    if not any(map(given.has, SCENARIOS)):
        told = ", ".join(f"[{name}]" for name in SCENARIOS)
        raise Usage(f"Option '[reset-offsets]' requires one of the following scenarios: [{told}]")


# The order in which Kafka looks for two scenarios at once.
EXCLUSIVE = (
    "to-offset", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "shift-by", "from-file"
)  # fmt: skip


def _one_scope(given: Given, action: str, told: str) -> None:
    if not (given.has("group") or given.has("all-groups")):
        raise Usage(f"Option [{action}] takes one of these options: {told}")


def _only_with(given: Given, name: str, *actions: str) -> None:
    if given.has(name) and not any(map(given.has, actions)):
        raise Usage(f"Option(s) [{name}] are unavailable given other options on the command line")


@click.command(
    cls=_Tool,
    actions=ACTIONS,
    parts=PARTS,
    envelope="\nError: Executing consumer group command failed due to ",
    examples=EXAMPLES,
    purpose="This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or "
    "reset consumer group offsets.",
)
@click.option("--validate-regex", metavar="REGEX", help="Tell whether brokers would take an expression (RE2).")
@click.option("--group", metavar="GROUP", multiple=True, help="A group; repeatable.")
@click.option("--all-groups", is_flag=True, help="All groups of consumers (describe, delete, reset-offsets).")
@click.option(
    "--topic",
    metavar="TOPIC[:0,1]",
    multiple=True,
    shell_complete=options.topic_names,
    help="A topic, or some of its partitions; repeatable (reset-offsets, delete-offsets).",
)
@click.option("--all-topics", is_flag=True, help="All that the group has committed for (reset-offsets).")
@click.option("--offsets", is_flag=True, help="Describe how far the group is; this is the default.")
@click.option("--members", is_flag=True, help="Describe its members.")
@click.option(
    "--state",
    cls=options.OptionalValue,
    bare="",
    metavar="[STATE,...]",
    help="Describe its state; with --list: show states, or only groups in these.",
)
@click.option(
    "--type",
    "type_",
    cls=options.OptionalValue,
    bare="",
    metavar="[TYPE,...]",
    help="With --list: show types, or only groups of these: classic, consumer.",
)
@click.option("--verbose", is_flag=True, help="Describe with more columns.")
@click.option("--dry-run", is_flag=True, help="Reset: show only. This is the default.")
@click.option("--execute", is_flag=True, help="Reset: do it; the former offsets are kept (see history, undo).")
@click.option("--export", is_flag=True, help="Reset: print CSV, which --from-file reads.")
@click.option("--to-offset", type=options.LONG, metavar="N", help="Reset to this offset.")
@click.option("--to-earliest", is_flag=True, help="Reset to the start.")
@click.option("--to-latest", is_flag=True, help="Reset to the end.")
@click.option("--to-current", is_flag=True, help="Keep offsets; the end where there is none.")
@click.option("--shift-by", type=options.LONG, metavar="N", help="Move offsets forward, or back if negative.")
@click.option("--by-duration", metavar="PnDTnHnMnS", help="Reset to what is so old, e.g. PT30M.")
@click.option("--to-datetime", metavar="YYYY-MM-DDThh:mm:ss.sss", help="Reset to a time, UTC unless a zone is added.")
@click.option("--from-file", metavar="FILE", help="Reset to the offsets of a CSV file.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.output
@frame.connected
def command(admin: Admin, action: str | None, validate_regex: str | None, **given: Any) -> Report:
    """List, describe, reset, copy, delete consumer groups."""
    if action is None:
        assert validate_regex is not None
        return listing.validate(validate_regex)
    bodies: dict[str, Callable[..., Report]] = {
        "list": listing.list_,
        "describe": listing.describe,
        "delete": deleting.delete,
        "reset-offsets": reset_offsets,
        "delete-offsets": deleting.delete_offsets,
    }
    return bodies[action](admin, **given)
