"""kcli groups: list the groups of a cluster, of every type (bin/kafka-groups.sh)."""

from typing import Any

import click

from kcli import options
from kcli.client import Admin
from kcli.errors import Setup, Usage
from kcli.options import Given
from kcli.plan import groups as plan
from kcli.render import groups as render
from kcli.report import Report

EXAMPLES = """
    kcli groups --list
    kcli groups --list --consumer
    kcli groups --list --group-type classic --protocol consumer
    kcli groups --list --output json
"""
ALONE = ("consumer", "share", "streams")


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    for at, kind in enumerate(ALONE):
        given.forbid(kind, *ALONE[at + 1 :], "group-type", "protocol")
    if not given.has("list"):
        raise Usage("Command must include exactly one action: --list.")


@click.command(
    cls=options.Tool,
    check=check,
    envelope="Error while executing groups command : ",
    examples=EXAMPLES,
    purpose="This tool helps to list groups of all types.",
)
@click.option("--list", "list_", is_flag=True, help="List the groups.")
@click.option("--group-type", metavar="TYPE", help="Only groups of this type: classic, consumer, share, streams.")
@click.option("--protocol", metavar="TEXT", help="Only groups of this protocol type.")
@click.option("--consumer", is_flag=True, help="Only groups of consumers: of both protocols, and simple ones.")
@click.option("--share", is_flag=True, help="Only share groups.")
@click.option("--streams", is_flag=True, help="Only streams groups.")
@options.connection
@options.output
def command(
    admin: Admin, group_type: str | None, protocol: str | None, consumer: bool, share: bool, streams: bool, **_: Any
) -> Report:
    """List the groups of a cluster."""
    if group_type is not None and group_type.capitalize() not in plan.TYPES:
        raise Setup("--group-type must be a valid group type.", f"Choose from {', '.join(map(str.lower, plan.TYPES))}.")
    found = admin.list_groups()
    if consumer:
        found = plan.of_consumers(found)
    else:
        found = plan.of_type(found, "share" if share else "streams" if streams else group_type, protocol)
    return Report(render.listing(found), render.listing_data(found))
