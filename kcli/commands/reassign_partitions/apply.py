"""kcli reassign apply: carry out a plan in batches, and wait until all of it is done."""

import os

import click

from kcli import options
from kcli.client import Admin
from kcli.commands.reassign_partitions import carrying, frame, journal
from kcli.commands.reassign_partitions.carrying import Manner
from kcli.commands.reassign_partitions.pacing import paced
from kcli.model.moves import Plan
from kcli.report import Report

EXAMPLES = """
    kcli reassign drain 3 --plan-file plan.json
    kcli reassign apply plan.json --throttle 50MB --watch
    kcli reassign apply plan.json --batch-size 10 --max-moving-bytes 20GB
    kcli reassign rollback
"""


@click.command(cls=options.Tool, examples=EXAMPLES)
@click.argument("file", metavar="PLAN")
@paced
@options.connection
@options.output
def apply(admin: Admin, file: str, manner: Manner) -> Report:
    """Carry out a plan in batches and wait for them; interrupted, the same line goes on where it was.

    PLAN is a file of --plan-file, or any file that --reassignment-json-file takes, or the id of an entry of 'kcli
    reassign history'. Throttles are cleared at the end, whatever the end is.
    """
    return carrying.carry_out(admin, _plan(file), manner, action="apply", again=file)


def _plan(named: str) -> Plan:
    if not os.path.exists(named):
        for entry in journal.entries():
            if entry.id == named:
                return Plan(entry.plan, entry.cluster_id, {target.key: target.replicas for target in entry.former})
    return frame.plan_at(named)
