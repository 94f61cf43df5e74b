"""kcli reassign set-rf: change a replication factor."""

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.reassign_partitions import planning
from kcli.commands.reassign_partitions.planning import Then
from kcli.plan import placing
from kcli.report import Report

EXAMPLES = """
    kcli reassign set-rf --topic orders 3
    kcli reassign set-rf --topic 'orders.*' 3 --plan-file plan.json
    kcli reassign set-rf --topic orders 2 --yes
"""


@click.command("set-rf", cls=options.Tool, examples=EXAMPLES)
@click.argument("factor", metavar="N", type=options.INT)
@click.option(
    "--topic",
    metavar="REGEX",
    required=True,
    shell_complete=options.topic_names,
    help="The topics: a regular expression for whole names.",
)
@planning.planned
@options.connection
@options.output
def set_rf(admin: Admin, factor: int, topic: str, then: Then) -> Report:
    """Give topics another replication factor, with as few copies as can be."""
    what = f"Replication factor {factor} for {topic}"
    return planning.end(admin, "set-rf", what, lambda layout: placing.set_factor(layout, topic, factor), then)
