"""kcli reassign place: bring partitions to where rules want them."""

from typing import Any

import click

from kcli import documents, options
from kcli.client import Admin
from kcli.commands.reassign_partitions import planning
from kcli.commands.reassign_partitions.planning import Then
from kcli.model.layout import Rule
from kcli.plan import placing
from kcli.report import Report

EXAMPLES = """
    kcli reassign place --rules rules.json
    kcli reassign place --rules rules.json --plan-file plan.json
    {"version": 1, "rules": [{"topics": "orders.*", "brokers": [1, 2, 3], "replication_factor": 3}]}
    {"version": 1, "rules": [{"topics": "audit", "racks": ["a", "b"], "leaders": [2, 1]}]}
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.option(
    "--rules",
    metavar="FILE",
    required=True,
    help="Which brokers or racks may hold which topics, JSON as below; the first rule that names a topic counts.",
)
@planning.planned
@options.connection
@options.output
def place(admin: Admin, rules: str, then: Then) -> Report:
    """Bring partitions to the brokers or racks that a file of rules names for them."""
    read = tuple(map(_rule, documents.load(rules, "placement-rules")["rules"]))
    return planning.end(admin, "place", f"Place by {rules}", lambda layout: placing.place(layout, read), then)


def _rule(row: dict[str, Any]) -> Rule:
    def listed(name: str) -> Any:
        return tuple(row[name]) if name in row else None

    return Rule(
        row["topics"], listed("brokers"), listed("racks"), row.get("replication_factor"), listed("leaders") or ()
    )
