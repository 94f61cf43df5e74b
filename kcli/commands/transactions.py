"""kcli transactions: list, describe, abort transactions, find those that hang (bin/kafka-transactions.sh)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from kcli import arguments, options
from kcli.client import Admin
from kcli.errors import Failure, Refused
from kcli.model.moves import TopicPartition
from kcli.model.transactions import ActiveProducer, Transaction
from kcli.plan import transactions as plan
from kcli.render import transactions as render
from kcli.report import Report

EXAMPLES = """
    kcli transactions list
    kcli transactions describe --transactional-id payments-1
    kcli transactions describe-producers --topic orders --partition 0
    kcli transactions find-hanging --broker-id 0
    kcli transactions abort --topic orders --partition 0 --start-offset 1234
"""
TIMEOUT_MINUTES = 15
TRANSACTIONAL_ID_NOT_FOUND = 105
IDENTIFIED = (
    "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or with "
    "--producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
)


@click.group(cls=arguments.Tools, examples=EXAMPLES)
@arguments.bootstrap_of_group
def command() -> None:
    """Look at transactions, and end those that hang.

    The options of the connection may stand before or behind the sub-command.
    """


@command.command("list", examples="kcli transactions list --duration-filter 60000")
@click.option("--duration-filter", type=options.LONG, default=-1, metavar="MS", help="Only those open for longer.")
@click.option("--transactional-id-pattern", metavar="REGEX", help="Only ids that match.")
@arguments.bootstrap
@options.output
def list_(admin: Admin, duration_filter: int, transactional_id_pattern: str | None, **_: Any) -> Report:
    """List the transactional ids of all coordinators."""
    with _while("list transactions"):
        found = admin.list_transactions(longer_than_ms=duration_filter, pattern=transactional_id_pattern)
    return Report(render.listing(found), render.listing_data(found))


@command.command(examples="kcli transactions describe --transactional-id payments-1")
@click.option("--transactional-id", metavar="ID", required=True, help="The transactional id.")
@arguments.bootstrap
@options.output
def describe(admin: Admin, transactional_id: str, **_: Any) -> Report:
    """Describe one transactional id and its transaction."""
    with _while(f"describe transaction state of transactional-id `{transactional_id}`"):
        found = admin.describe_transactions([transactional_id])[transactional_id]
        if isinstance(found, Refused):
            if found.code == TRANSACTIONAL_ID_NOT_FOUND:
                found.message = (
                    f"DescribeTransactions request for transactionalId `{transactional_id}` failed because the ID "
                    "could not be found"
                )
            raise found
    now_ms = _now_ms()
    return Report(render.description(found, now_ms), render.description_data(found, now_ms))


@command.command("describe-producers", examples="kcli transactions describe-producers --topic orders --partition 0")
@click.option("--topic", metavar="TOPIC", required=True, help="The topic.")
@click.option("--partition", type=options.INT, metavar="N", required=True, help="The partition.")
@click.option("--broker-id", type=options.INT, metavar="N", help="Ask this replica. Default: the leader.")
@arguments.bootstrap
@options.output
def describe_producers(admin: Admin, topic: str, partition: int, broker_id: int | None, **_: Any) -> Report:
    """Describe the producers that a partition remembers."""
    found = _producers(admin, (topic, partition), broker_id)
    return Report(render.producers(found), render.producers_data(found))


@command.command(examples="kcli transactions abort --topic orders --partition 0 --start-offset 1234")
@click.option("--topic", metavar="TOPIC", required=True, help="The topic.")
@click.option("--partition", type=options.INT, metavar="N", required=True, help="The partition.")
@click.option("--start-offset", type=options.LONG, metavar="N", help="Where the transaction begins there.")
@click.option("--producer-id", type=options.LONG, metavar="N", help="For brokers before 3.0.")
@click.option("--producer-epoch", type=options.INT, metavar="N", help="For brokers before 3.0.")
@click.option("--coordinator-epoch", type=options.INT, metavar="N", help="For brokers before 3.0.")
@arguments.bootstrap
@options.output
def abort(
    admin: Admin,
    topic: str,
    partition: int,
    start_offset: int | None,
    producer_id: int | None,
    producer_epoch: int | None,
    coordinator_epoch: int | None,
    **_: Any,
) -> Report:
    """Abort a transaction in one partition: for those that hang, as their coordinator does not know of them."""
    one = (topic, partition)
    if start_offset is not None:
        found = plan.open_at(_producers(admin, one, None), one, start_offset)
        marker = (found.producer_id, found.epoch, found.coordinator_epoch)
    elif producer_id is None:
        raise Failure(IDENTIFIED)
    elif producer_epoch is None:
        raise Failure("Missing required argument --producer-epoch")
    elif coordinator_epoch is None:
        raise Failure("Missing required argument --coordinator-epoch")
    else:
        marker = (producer_id, producer_epoch, coordinator_epoch)
    with _while(f"abort transaction of producer {marker[0]} on partition {topic}-{partition}"):
        admin.abort_transaction(one, marker[0], marker[1], max(0, marker[2]))
    data = {"action": "abort", "topic": topic, "partition": partition, "producerId": marker[0]}
    return Report("", data)


@command.command("find-hanging", examples="kcli transactions find-hanging --broker-id 0")
@click.option("--broker-id", type=options.INT, metavar="N", help="Look at what this broker has.")
@click.option("--topic", metavar="TOPIC", help="Look at this topic.")
@click.option("--partition", type=options.INT, metavar="N", help="Look at this partition of it.")
@click.option(
    "--max-transaction-timeout",
    type=options.INT,
    default=TIMEOUT_MINUTES,
    metavar="MINUTES",
    help=f"How long a transaction may be open. Default: {TIMEOUT_MINUTES}.",
)
@arguments.bootstrap
@options.output
def find_hanging(
    admin: Admin,
    broker_id: int | None,
    topic: str | None,
    partition: int | None,
    max_transaction_timeout: int,
    **_: Any,
) -> Report:
    """Find open transactions that no coordinator will ever end."""
    if topic is None and broker_id is None:
        raise Failure(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search"
        )
    if topic is None and partition is not None:
        raise Failure("The --partition argument requires --topic to be provided")
    answers = admin.describe_producers(_scope(admin, broker_id, topic, partition), broker_id)
    known: dict[TopicPartition, tuple[ActiveProducer, ...]] = {}
    for one, answer in answers.items():
        if isinstance(answer, Refused):
            raise Failure(f"Failed to describe producers for partition {one[0]}-{one[1]}: {answer.message}")
        known[one] = answer
    now_ms = _now_ms()
    candidates = plan.long_open(known, now_ms, max_transaction_timeout)
    listed = (
        admin.list_transactions(producers=sorted({each.producer_id for _, each in candidates})) if candidates else ()
    )
    described: dict[str, Transaction] = {}
    for name, found in (admin.describe_transactions([one.id for one in listed]) if listed else {}).items():
        if not isinstance(found, Refused):
            described[name] = found
        elif found.code != TRANSACTIONAL_ID_NOT_FOUND:
            raise found
    hanging = plan.hanging(candidates, listed, described, now_ms)
    return Report(render.hanging(hanging), render.hanging_data(hanging))


@command.command(
    "forceTerminateTransaction", examples="kcli transactions forceTerminateTransaction --transactionalId t1"
)
@click.option("--transactionalId", "transactional_id", metavar="ID", required=True, help="The transactional id.")
@arguments.bootstrap
@options.output
def force_terminate(admin: Admin, transactional_id: str, **_: Any) -> Report:
    """Abort the transaction of a transactional id, and fence its producer."""
    with _while(f"force terminate transactionalId {transactional_id}"):
        admin.fence_producers(transactional_id)
    return Report("", {"action": "forceTerminateTransaction", "transactionalId": transactional_id})


def _scope(admin: Admin, broker: int | None, topic: str | None, partition: int | None) -> tuple[TopicPartition, ...]:
    if topic is not None and partition is not None:
        return ((topic, partition),)
    topics = admin.describe_topics(None if topic is None else [topic])
    if topic is not None and not topics:
        raise Failure("Failed to describe 1 topics: This server does not host this topic-partition.")
    return plan.hosted(topics, broker)


def _producers(admin: Admin, one: TopicPartition, broker: int | None) -> tuple[ActiveProducer, ...]:
    whom = "leader" if broker is None else f"broker {broker}"
    with _while(f"describe producers for partition {one[0]}-{one[1]} on {whom}"):
        found = admin.describe_producers([one], broker)[one]
        if isinstance(found, Refused):
            raise found
    return found


@contextmanager
def _while(what: str) -> Iterator[None]:
    """Say what could not be done because a broker refused, or did not answer."""
    try:
        yield
    except Failure as failure:
        failure.message = f"Failed to {what}: {failure.message}"
        raise


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
