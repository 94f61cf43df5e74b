"""kcli topics: list, describe, create, alter, delete topics (bin/kafka-topics.sh)."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from kcli import options
from kcli.client import PAGE, Admin
from kcli.errors import Failure, Refused, Setup, Usage
from kcli.model import ZERO_ID, Described, NewTopic, Reassignment, Resource, Setting, Topic
from kcli.options import Given
from kcli.plan import topics as plan
from kcli.render import topics as render
from kcli.render.java import hash_order
from kcli.report import Report

ACTIONS = {
    "list": "List the topics.",
    "describe": "Tell what the topics are: partitions, leaders, replicas, settings.",
    "create": "Make a topic.",
    "alter": "Give topics more partitions.",
    "delete": "Remove topics.",
}
EXAMPLES = """
    kcli topics create --topic orders --partitions 3 --config retention.ms=3600000
    kcli topics --list
    kcli topics --describe --topic 'orders.*'
    kcli topics --describe --under-replicated-partitions
    kcli topics --alter --topic orders --partitions 6 --dry-run
    kcli topics --delete --topic 'test-.*' --yes
"""
COLLISION = (
    "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. "
    "To avoid issues it is best to use either, but not both."
)
DELETE_CONFIG = (
    "delete-config option is no longer supported and deprecated since version 4.0. "
    "The config will be fully removed in future releases."
)
ID_WINS = "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID"
TOPIC_ALREADY_EXISTS, CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION = 36, 31, 35


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    if given.has("delete-config"):
        click.echo(DELETE_CONFIG, err=True)
    if given.has("describe") and given.has("if-exists") and not (given.has("topic") or given.has("topic-id")):
        raise Usage("--topic or --topic-id is required to describe a topic")
    if not (given.has("list") or given.has("describe")):
        given.need("topic")
    if given.has("alter"):
        if given.has("config"):
            raise Usage(
                'Option combination "[[bootstrap-server], [config]]" can\'t be used with option "[alter]" '
                "(To alter topic configurations, the kafka-configs tool can be used.)"
            )
        given.need("partitions")
    for option, allowed in (
        ("config", ("create", "alter")),
        ("partitions", ("create", "alter")),
        ("replication-factor", ("create",)),
        ("replica-assignment", ("create", "alter")),
    ):
        _only_with(given, option, allowed)
    if given.has("create"):
        given.forbid("replica-assignment", "partitions", "replication-factor")
    for ailment in plan.AILMENTS:
        _only_with(given, ailment, ("describe",))
        given.forbid(ailment, "topics-with-overrides")
    _only_with(given, "topics-with-overrides", ("describe",))
    _only_with(given, "if-exists", ("alter", "delete", "describe"))
    _only_with(given, "if-not-exists", ("create",))
    _only_with(given, "exclude-internal", ("list", "describe"))
    _only_with(given, "dry-run", ("create", "alter", "delete"))
    _only_with(given, "yes", ("delete",))


def _only_with(given: Given, option: str, allowed: Sequence[str]) -> None:
    for action in ACTIONS:
        if action not in allowed and given.has(action) and given.has(option):
            raise Usage(f'Option "[{option}]" can\'t be used with option "[{action}]"')


@click.command(
    cls=options.Tool,
    actions=ACTIONS,
    check=check,
    envelope="Error while executing topic command : ",
    examples=EXAMPLES,
    purpose="Create, delete, describe, or change a topic.",
)
@click.option(
    "--topic",
    metavar="REGEX",
    shell_complete=options.topic_names,
    help="The topics to act on; with --create, the name.",
)
@click.option("--topic-id", metavar="UUID", help="Describe the topic of this id.")
@click.option("--partitions", type=options.INT, metavar="N", help="How many partitions. Default: the broker's.")
@click.option("--replication-factor", type=options.INT, metavar="N", help="Replicas of each. Default: the broker's.")
@click.option("--replica-assignment", metavar="0:1,1:2,...", help="Brokers of partition 0, of partition 1, ...")
@click.option("--config", metavar="KEY=VALUE", multiple=True, help="A setting of the new topic; repeatable.")
@click.option("--delete-config", metavar="KEY", multiple=True, help="Has no effect; accepted as Kafka does.")
@click.option("--if-exists", is_flag=True, help="No error if there is no such topic (describe, alter, delete).")
@click.option("--if-not-exists", is_flag=True, help="No error if the topic exists (create).")
@click.option("--exclude-internal", is_flag=True, help="Leave out internal topics (list, describe).")
@click.option("--topics-with-overrides", is_flag=True, help="Describe only topics with settings of their own.")
@click.option("--under-replicated-partitions", is_flag=True, help="Describe only partitions with too few in sync.")
@click.option("--unavailable-partitions", is_flag=True, help="Describe only partitions without a leader.")
@click.option("--under-min-isr-partitions", is_flag=True, help="Describe only partitions below min.insync.replicas.")
@click.option("--at-min-isr-partitions", is_flag=True, help="Describe only partitions at min.insync.replicas.")
@click.option(
    "--partition-size-limit-per-response",
    type=options.INT,
    default=PAGE,
    metavar="N",
    help=f"Partitions that are asked for at once by describe. Default: {PAGE}.",
)
@click.option("--dry-run", is_flag=True, help="Let the brokers check it, and say what would happen.")
@click.option("--yes", is_flag=True, help="Delete by expression without asking.")
@options.connection
@options.output
def command(admin: Admin, action: str, **given: Any) -> Report:
    """List, describe, create, alter, delete topics."""
    bodies: dict[str, Callable[..., Report]] = {
        "list": list_,
        "describe": describe,
        "create": create,
        "alter": alter,
        "delete": delete,
    }
    return bodies[action](admin, **given)


def list_(admin: Admin, *, topic: str | None, exclude_internal: bool, **_: Any) -> Report:
    wanted = plan.matcher(topic, exclude_internal=exclude_internal)
    chosen = [one for one in admin.list_topics() if wanted(one.name)]
    return Report(render.names(chosen), {"topics": render.listing_data(chosen)})


def describe(admin: Admin, *, topics_with_overrides: bool, **given: Any) -> Report:
    if given["if_exists"] and given["topic"] is not None and given["topic_id"] is not None:
        options.notice(ID_WINS)
    topics = _described(admin, _chosen(admin, **given))
    ailments = [name for name in plan.AILMENTS if given[name.replace("-", "_")]]
    text: dict[str, list[str]] = {topic.topic.name: [] for topic in topics}
    data = []
    if ailments:
        alive = frozenset(broker.id for broker in admin.describe_cluster().brokers if not broker.fenced)
        for topic in topics:
            ailing = plan.ailing(topic, ailments, alive)
            text[topic.topic.name] = [render.partition(topic, one) for one in ailing]
            data += [render.data(topic, ailing)] if ailing else []
    else:
        for topic in topics:
            if topics_with_overrides and not topic.settings:
                continue
            lines = text[topic.topic.name]
            lines.append(render.header(topic))
            if not topics_with_overrides:
                lines += [render.partition(topic, one) for one in topic.topic.partitions]
            data.append(render.data(topic, topic.topic.partitions))
    return Report("".join(line for name in hash_order(text) for line in text[name]), {"topics": data})


def create(
    admin: Admin,
    *,
    topic: str,
    partitions: int | None,
    replication_factor: int | None,
    replica_assignment: str | None,
    config: Sequence[str],
    if_not_exists: bool,
    dry_run: bool,
    **_: Any,
) -> Report:
    assignment = plan.assignment(replica_assignment) if replica_assignment else ()
    configs = _checked(plan.configs(config))
    if not topic:
        raise Failure("The given topic name '' cannot be represented in a request.")
    if "." in topic or "_" in topic:
        options.notice(COLLISION)
    if replication_factor is not None and not 1 <= replication_factor <= plan.MAX_REPLICATION_FACTOR:
        raise Failure(f"The replication factor must be between 1 and {plan.MAX_REPLICATION_FACTOR} inclusive")
    if partitions is not None and partitions < 1:
        raise Failure("The partitions must be greater than 0")
    wanted = NewTopic(topic, partitions, replication_factor, assignment, configs)
    (made,) = admin.create_topics([wanted], validate_only=dry_run)
    if isinstance(made, Refused):
        if if_not_exists and made.code == TOPIC_ALREADY_EXISTS:
            return Report("", {"created": [], "dryRun": dry_run})
        raise made
    return Report(render.created(made, dry_run=dry_run), {"created": [render.created_data(made)], "dryRun": dry_run})


def alter(admin: Admin, *, partitions: int, replica_assignment: str | None, dry_run: bool, **given: Any) -> Report:
    rows = plan.assignment(replica_assignment) if replica_assignment else ()
    topics = _chosen(admin, **given)
    counts = {topic.name: partitions for topic in topics}
    # The list describes all partitions; the brokers want those of the added ones only.
    assignments = {topic.name: rows[len(topic.partitions) :] for topic in topics} if rows else None
    _settled(admin.create_partitions(counts, assignments, validate_only=dry_run) if counts else {})
    grown = [(topic.name, len(topic.partitions), partitions) for topic in topics]
    return Report(render.grown(grown) if dry_run else "", {"altered": render.grown_data(grown), "dryRun": dry_run})


def delete(admin: Admin, *, topic: str, yes: bool, dry_run: bool, **given: Any) -> Report:
    topics = _chosen(admin, topic=topic, **given)
    names = [one.name for one in topics]
    if not dry_run:
        # A script's run must not stop at a question; a person may not see what an expression matches.
        if names and not yes and plan.literal(topic) is None and sys.stdin.isatty():
            _confirm(names)
        _settled(admin.delete_topics(names))
    return Report(render.deleted(topics) if dry_run else "", {"deleted": names, "dryRun": dry_run})


def _chosen(
    admin: Admin,
    *,
    topic: str | None,
    topic_id: str | None,
    if_exists: bool,
    exclude_internal: bool,
    partition_size_limit_per_response: int,
    **_: Any,
) -> tuple[Topic, ...]:
    """The topics that are meant. Raises Failure if there is none and there should be."""
    topic_id = ZERO_ID if topic_id is None else plan.topic_id(topic_id)
    if topic_id != ZERO_ID:
        found = admin.describe_topics_by_id([topic_id])
        expected, missing = True, f"TopicId '{topic_id}' does not exist as expected"
    else:
        wanted = plan.matcher(topic, exclude_internal=exclude_internal)
        name = plan.literal(topic)
        names = None if topic is None else [name] if name else [o.name for o in admin.list_topics() if wanted(o.name)]
        found = admin.describe_topics(names, page=partition_size_limit_per_response)
        found = tuple(one for one in found if wanted(one.name))
        expected, missing = bool(topic), f"Topic '{topic}' does not exist as expected"
    if expected and not found and not if_exists:
        raise Failure(missing)
    return found


def _described(admin: Admin, topics: Sequence[Topic]) -> tuple[Described, ...]:
    if not topics:
        return ()
    answers = admin.describe_configs([Resource("topic", topic.name) for topic in topics], defaults=[plan.MIN_ISR])
    settings: dict[str, Sequence[Setting]] = {}
    for resource, answer in answers.items():
        if isinstance(answer, Refused):
            raise answer
        settings[resource.name] = answer
    return plan.described(topics, settings.__getitem__, _moves(admin))


def _moves(admin: Admin) -> Iterable[Reassignment]:
    try:
        return admin.list_partition_reassignments()
    except Refused as refused:
        if refused.code in (CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION):
            return ()  # describe is for users who may not see moves, too
        raise


def _settled(answers: Mapping[str, Refused | None]) -> None:
    refused = {name: answer for name, answer in answers.items() if answer}
    if refused:
        first, *others = refused
        if others:
            refused[first].advice = f"It is the same, or other trouble, with {', '.join(others)}."
        raise refused[first]


def _confirm(names: Sequence[str]) -> None:
    told = "\n".join(f"  {name}" for name in names)
    if not click.confirm(f"{told}\nDelete {'these topics' if names[1:] else 'this topic'}?", err=True):
        raise Setup("Nothing was deleted.")


def _checked(configs: Mapping[str, str]) -> Mapping[str, str]:
    """The settings of a new topic, checked before anything is sent. Raises Failure in Kafka's words."""
    if configs:
        from kcli import formats  # the table of settings is only for those who give one

        formats.check_topic_configs(configs)
    return configs
