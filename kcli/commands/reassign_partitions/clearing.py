"""Throttles are taken away: those of a plan, and those that somebody left."""

from collections.abc import Iterable

import click

from kcli.client import Admin
from kcli.commands.reassign_partitions import frame
from kcli.errors import Failure, Unreachable
from kcli.model import Resource
from kcli.model.moves import Leftover, Plan
from kcli.plan import throttles
from kcli.render import reassignment as render
from kcli.report import Report


def clear(admin: Admin, wanted: Plan, *, controllers: bool = False) -> dict[str, object]:
    """Clear the throttles of all brokers and of the plan's topics, as Kafka's tool does; tell it for machines, too."""
    alive = {broker.id for broker in admin.describe_cluster(controllers=controllers).brokers}
    brokers = alive | {broker for target in wanted.targets for broker in target.replicas}
    topics = sorted({target.topic for target in wanted.targets})
    # A broker that is gone cannot be told; when it comes back, it has its throttles still.
    of_brokers, of_topics = throttles.cleared(alive, topics)
    frame.say(render.clearing_brokers(brokers))
    frame.change(admin, of_brokers)
    frame.say(render.clearing_topics(topics))
    frame.change(admin, of_topics)
    for broker in sorted(brokers - alive):
        click.echo(f"Broker {broker} is not alive: throttles that it may have are not cleared.", err=True)
    return {"brokers": sorted(alive), "topics": topics}


def quietly(admin: Admin, wanted: Plan, *, sure: bool) -> dict[str, object] | None:
    """Clear throttles of the brokers that live and of the plan's topics, and tell it for machines.

    sure  there are some; else they are looked for, and None is returned where there are none
    """
    named = {target.topic for target in wanted.targets}
    if sure:
        brokers = tuple(broker.id for broker in admin.describe_cluster().brokers)
        topics = sorted(named & {topic.name for topic in admin.list_topics()})
    else:
        found = leftover(admin)
        brokers, topics = found.brokers, sorted(named & {*found.topics})
    if not brokers and not topics:
        return None
    for changes in throttles.cleared(brokers, topics):
        frame.change(admin, changes)
    return {"brokers": list(brokers), "topics": topics}


def leftover(admin: Admin) -> Leftover:
    """Where throttles are set. A broker that cannot be asked throttles nothing."""
    brokers = [Resource("broker", str(broker.id)) for broker in admin.describe_cluster().brokers]
    topics = [Resource("topic", topic.name) for topic in admin.list_topics()]
    settings = admin.describe_configs(topics, throttles.TOPIC_SETTINGS) if topics else {}
    for broker in brokers:
        try:
            settings = {**settings, **admin.describe_configs([broker], throttles.BROKER_SETTINGS)}
        except Unreachable:
            continue
    return throttles.leftover(settings)


def notice_leftover(admin: Admin) -> None:
    """Tell of throttles on an idle cluster, and what to do about them."""
    for line in render.left_over(leftover(admin)):
        click.echo(line, err=True)


def unthrottle(admin: Admin, *, force: bool) -> Report:
    """Clear all throttles of the cluster. Raises Failure: something moves that they may be meant for."""
    moves = admin.list_partition_reassignments()
    if moves and not force:
        raise Failure(
            f"{_count(moves)} still under way", "Wait for --verify, which clears the throttles; --force goes on anyway."
        )
    found = leftover(admin)
    for changes in throttles.cleared(found.brokers, found.topics):
        frame.change(admin, changes)
    data = {"action": "unthrottle", "brokers": list(found.brokers), "topics": list(found.topics)}
    return Report(render.unthrottled(found), data)


def _count(moves: Iterable[object]) -> str:
    count = len([*moves])
    return "1 reassignment is" if count == 1 else f"{count} reassignments are"
