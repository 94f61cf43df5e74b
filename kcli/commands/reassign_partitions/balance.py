"""kcli reassign balance: as many replicas and leaders on each broker, give or take one."""

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.reassign_partitions import planning
from kcli.commands.reassign_partitions.planning import Then
from kcli.plan import balancing
from kcli.report import Report

EXAMPLES = """
    kcli reassign balance
    kcli reassign balance --leaders-only --execute
    kcli reassign balance --plan-file plan.json
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.option("--leaders-only", is_flag=True, help="Only change which replica leads: that copies nothing.")
@planning.planned
@options.connection
@options.output
def balance(admin: Admin, leaders_only: bool, then: Then) -> Report:
    """Spread replicas, leaders and bytes evenly over the brokers; partitions keep their racks."""
    what = "Balance leaders" if leaders_only else "Balance"
    return planning.end(admin, "balance", what, balancing.lead if leaders_only else balancing.balance, then)
