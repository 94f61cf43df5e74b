"""kcli reassign drain: empty brokers."""

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.reassign_partitions import planning
from kcli.commands.reassign_partitions.planning import Then
from kcli.plan import placing
from kcli.report import Report

EXAMPLES = """
    kcli reassign drain 3
    kcli reassign drain 3 4 --plan-file plan.json
    kcli reassign drain 3 --execute --throttle 50MB --watch
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.argument("brokers", metavar="BROKER...", type=options.INT, nargs=-1, required=True)
@planning.planned
@options.connection
@options.output
def drain(admin: Admin, brokers: tuple[int, ...], then: Then) -> Report:
    """Empty brokers: move what they hold to the others, and nothing else."""
    what = f"Drain broker{'s' if len(brokers) > 1 else ''} {', '.join(map(str, brokers))}"
    return planning.end(admin, "drain", what, lambda layout: placing.drain(layout, brokers), then)
