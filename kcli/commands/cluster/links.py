"""kcli cluster partition, heal: nodes that cannot hear one another."""

from collections.abc import Sequence

import click

from kcli import arguments, options
from kcli import nodes as local
from kcli.commands.cluster import home as homes
from kcli.plan import cluster as plan
from kcli.report import Report


@click.command(
    cls=arguments.Tool,
    examples="kcli cluster partition 0,1 2,3\nkcli cluster partition '0,1 | 2,3'\nkcli cluster partition 0 1 2",
)
@click.argument("sides", metavar="A,B C,D ...", nargs=-1, required=True)
@homes.at
@options.output
def partition(sides: Sequence[str], path: str | None) -> Report:
    """Cut the nodes of each side off from those of the others, until kcli cluster heal.

    Nothing is refused between them, there is only silence. Clients reach every node; a node that is on no side reaches
    all others. The nodes do it themselves where they connect to one another, so it needs no privileges. It outlives
    restarts of nodes; another partition takes its place.
    """
    home = homes.existing(path)
    with home.locked():
        nodes = [local.node_of(folder) for folder in home.folders()]
        parted = plan.groups(sides, {node.id for node in nodes})
        local.part(home, parted, nodes)
    return homes.report(home, f"Cut off from one another: {plan.told_sides(parted)}\n")


@click.command(cls=arguments.Tool, examples="kcli cluster heal")
@homes.at
@options.output
def heal(path: str | None) -> Report:
    """Let all nodes reach one another again."""
    home = homes.existing(path)
    with home.locked():
        parted = home.sides()
        local.part(home, (), ())
    return homes.report(home, "All nodes reach one another again.\n" if parted else "Nothing is cut.\n")
