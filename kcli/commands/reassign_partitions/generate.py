"""--generate: propose where the partitions of topics could be."""

import random

import click

from kcli.client import Admin
from kcli.commands.reassign_partitions import frame
from kcli.errors import Failure
from kcli.model.moves import Plan
from kcli.plan import assignment
from kcli.plan import reassignment as plan
from kcli.render import reassignment as render
from kcli.report import Report

NOT_JSON = "The input string is not a valid JSON"


def generate(
    admin: Admin,
    topics_file: str | None,
    broker_list: str | None,
    plan_file: str | None,
    seed: int | None,
    *,
    rack_aware: bool,
) -> Report:
    """Place the partitions of topics anew. Changes nothing.

    topics_file, broker_list  None: all topics that are not internal, all brokers that live
    plan_file                 where the plan goes as well, with the cluster's id in it
    seed                      repeats a plan
    """
    document = (
        None if topics_file is None else frame.document(topics_file, "topics-to-move", NOT_JSON, plan.sound_topics)
    )
    chosen = None if broker_list is None else assignment.broker_list(broker_list)
    if document is None:
        topics = tuple(topic for topic in admin.describe_topics() if not topic.internal)
    else:
        topics = frame.described(admin, plan.topics_of(document))
    replicas = plan.replicas_of(topics)
    cluster = admin.describe_cluster()
    alive = {broker.id for broker in cluster.brokers}
    for broker in sorted({*(chosen or ())} - alive):
        click.echo(f"Broker {broker} is left out: it is not in the cluster, or not alive.", err=True)
    dirs = frame.directories_of(admin, cluster, replicas.values())
    below = random.Random(seed).randrange
    brokers = assignment.usable(cluster.brokers, chosen, rack_aware=rack_aware)
    proposed = assignment.propose(topics, brokers, below)
    now = plan.current(proposed, replicas, dirs)
    if plan_file is not None:
        write(plan_file, render.plan_file(Plan(proposed, cluster.id, replicas)))
    data = {
        "action": "generate",
        "clusterId": cluster.id,
        "current": render.document(now),
        "proposed": render.document(proposed),
    }
    return Report(render.generated(now, proposed), data)


def write(path: str, text: str) -> None:
    """Write a plan's file. Raises Failure."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"Unable to write file {path}", f"{error.strerror}.") from error
