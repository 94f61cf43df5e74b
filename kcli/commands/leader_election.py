"""kcli leader-election: elect leaders, the preferred ones or any that is left (bin/kafka-leader-election.sh).

Beyond Kafka: --dry-run tells which leaders would move; --batch-size elects them a few at a time, and leaves out, and
names, the partitions for which it would fail.
"""

import time
from typing import Any

import click

from kcli import documents, options
from kcli.client import Admin
from kcli.errors import Failure, Refused, Usage
from kcli.model.moves import Outlook, TopicPartition
from kcli.options import Given
from kcli.plan import elections as plan
from kcli.render import elections as render
from kcli.report import Report

EXAMPLES = """
    kcli leader-election --election-type preferred --all-topic-partitions --dry-run
    kcli leader-election --election-type preferred --topic orders --partition 0
    kcli leader-election --election-type preferred --all-topic-partitions --batch-size 100
    kcli leader-election --election-type unclean --topic orders --partition 3
    kcli leader-election --election-type preferred --path-to-json-file partitions.json
"""
SELECTORS = ("topic", "all-topic-partitions", "path-to-json-file")
OLD_CONFIG = (
    "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config instead."
)
REQUEST_TIMED_OUT, CLUSTER_AUTHORIZATION_FAILED = 7, 31
TROUBLES = {
    REQUEST_TIMED_OUT: "Timeout waiting for election results",
    CLUSTER_AUTHORIZATION_FAILED: "Not authorized to perform leader election",
}
TIMEOUTS = {"default.api.timeout.ms": "30000", "request.timeout.ms": "15000"}
PAUSE_MS = 1000


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order; --bootstrap-server has a default here."""
    if not given.has("election-type"):
        raise Usage("Missing required option(s): election-type")
    if sum(map(given.has, SELECTORS)) != 1:
        raise Usage(f"One and only one of the following options is required: {', '.join(SELECTORS)}")
    if given.has("topic") and not given.has("partition"):
        raise Usage("Missing required option(s): partition")
    if given.has("partition") and not given.has("topic"):
        raise Usage("Option partition is only allowed if topic is used")
    if given.has("batch-pause-ms") and not given.has("batch-size"):
        raise Usage("Option batch-pause-ms is only allowed if batch-size is used")
    if given.has("admin.config"):
        if given.has("command-config"):
            raise Usage("Options admin.config and command-config cannot be used together")
        click.echo(OLD_CONFIG, err=given.values("output")[-1:] not in ([], ["text"]))


@click.command(
    cls=options.Tool,
    check=check,
    examples=EXAMPLES,
    purpose="This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported "
    "are preferred replicas and unclean replicas.",
)
@click.option(
    "--election-type",
    type=click.Choice([plan.PREFERRED, plan.UNCLEAN], case_sensitive=False),
    help="preferred: the first replica of each partition, if it is in sync. unclean: for partitions without a leader, "
    "any live replica, even if records are lost by it.",
)
@click.option("--all-topic-partitions", is_flag=True, help="All partitions that need it.")
@click.option("--topic", metavar="TOPIC", shell_complete=options.topic_names, help="The topic of --partition.")
@click.option("--partition", type=options.INT, metavar="N", help="One partition of --topic.")
@click.option(
    "--path-to-json-file",
    metavar="FILE",
    help='The partitions as JSON: {"partitions": [{"topic": "orders", "partition": 0}]}',
)
@click.option("--dry-run", is_flag=True, help="Tell which leaders would move, and change nothing.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="N",
    help="Elect so many leaders at a time, and only those that can be elected.",
)
@click.option(
    "--batch-pause-ms",
    type=click.IntRange(0),
    default=PAUSE_MS,
    metavar="MS",
    help=f"The pause between two batches. Default: {PAUSE_MS}.",
)
@options.connection_with(TIMEOUTS, old_config="admin.config")
@options.output
def command(admin: Admin, election_type: str, dry_run: bool, batch_size: int | None, **given: Any) -> Report:
    """Elect leaders: the preferred ones, or any that is left."""
    chosen = _chosen(given)
    if not dry_run and batch_size is None:
        answers = _elected(admin, election_type, chosen)
        return _report(election_type, answers, None)
    names = None if chosen is None else sorted({topic for topic, _ in chosen})
    alive = {broker.id for broker in admin.describe_cluster().brokers if not broker.fenced}
    seen = plan.outlook(election_type, admin.describe_topics(names), chosen, alive)
    for line in render.skipped(seen):
        click.echo(line, err=True)
    if dry_run:
        return Report(render.outlook(election_type, seen), render.data(election_type, {}, seen, dry_run=True))
    assert batch_size is not None
    answers = {}
    for number, batch in enumerate(plan.batches(seen.turns, batch_size)):
        if number:
            time.sleep(given["batch_pause_ms"] / 1000)
        answers |= _elected(admin, election_type, batch)
    return _report(election_type, answers, seen)


def _chosen(given: dict[str, Any]) -> tuple[TopicPartition, ...] | None:
    """The partitions that are meant; None: all."""
    if given["topic"] is not None:
        return ((given["topic"], given["partition"]),)
    if given["all_topic_partitions"]:
        return None
    document = documents.load(
        given["path_to_json_file"],
        "leader-election",
        empty="Replica election data is empty",
        lacking={"partitions": 'Replica election data is missing "partitions" field'},
    )
    return plan.named(document)


def _elected(admin: Admin, kind: str, chosen: tuple[TopicPartition, ...] | None) -> render.Answers:
    if chosen == ():
        return {}
    try:
        return admin.elect_leaders(kind, chosen)
    except Refused as refused:
        if refused.code not in TROUBLES:
            raise
        options.notice(TROUBLES[refused.code])  # Kafka says it on both streams
        raise Failure(TROUBLES[refused.code]) from refused


def _report(kind: str, answers: render.Answers, seen: Outlook | None) -> Report:
    failed = render.failures(answers)
    told = (f"{len(failed)} replica(s) could not be elected",) if failed else ()
    return Report(render.elected(kind, answers), render.data(kind, answers, seen, dry_run=False), told)
