"""kcli e2e-latency: send records one by one, and time how long each takes to be read (bin/kafka-e2e-latency.sh)."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from kcli import client, options
from kcli.errors import Failure, Refused, Usage
from kcli.model import NewTopic
from kcli.options import INT, Given
from kcli.perf import results
from kcli.perf.echoing import Echoed, Run, Shape
from kcli.pipeline.settings import FetchSettings, ProducerSettings
from kcli.pipeline.stopping import Stopped, on_signals
from kcli.properties import Connection
from kcli.render import perf as render
from kcli.report import Report

EVERY = 1000  # one record of so many is told
TOPIC_ALREADY_EXISTS = 36
PARTITIONS = REPLICAS = 1
NAMES = ("bootstrap-server", "topic", "num-records", "producer-acks", "record-size", "command-config")
POSITIONAL = (
    "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named "
    f"arguments instead: {', '.join(f'--{name}' for name in NAMES)}"
)
EXAMPLES = """
    kcli e2e-latency --topic lat --num-records 10000 --producer-acks all --record-size 100
    kcli e2e-latency --topic lat --num-records 1000 --producer-acks 1 --record-size 100 --output json
"""
PURPOSE = "This tool measures end-to-end latency in Kafka by sending messages and timing their reception."


class Tool(options.Tool):
    """The old form has words in place of options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-"):
            args = self._named(args)
        return super().parse_args(ctx, args)

    def _named(self, args: Sequence[str]) -> list[str]:
        words = list(args)
        beyond = next((index for index, word in enumerate(words) if word.startswith("--")), len(words))
        words, rest = words[:beyond], words[beyond:]
        if len(words) not in (len(NAMES) - 1, len(NAMES)):
            raise Usage(
                f"Invalid number of arguments. Expected {len(NAMES) - 1} or {len(NAMES)} positional arguments, but got "
                f"{len(words)}. Usage: {' '.join(NAMES[:-1])} [optional] {NAMES[-1]}"
            )
        click.echo(POSITIONAL, err="json" in rest)
        return [part for name, word in zip(NAMES, words, strict=False) for part in (f"--{name}", word)] + rest


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    given.need("topic", "num-records", "producer-acks", "record-size")
    if given.values("producer-acks")[-1] not in ("1", "all"):
        raise Usage(
            "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' "
            "or 'all'."
        )


def _check_numbers(given: Mapping[str, Any]) -> None:
    if given["num_records"] <= 0:
        raise Usage("Value for --num-records must be a positive integer.")
    for name in ("record_size", "record_key_size", "record_header_key_size"):
        if given[name] < 0:
            raise Usage(f"Value for --{name.replace('_', '-')} must be a non-negative integer.")
    if given["record_header_size"] < -1:
        raise Usage("Value for --record-header-size must be a non-negative integer or -1 for null header value.")
    if given["num_headers"] < 0:
        raise Usage("Value for --num-headers must be a non-negative integer.")


@click.command(cls=Tool, check=check, examples=EXAMPLES, purpose=PURPOSE)
@click.option("--topic", metavar="TOPIC", shell_complete=options.topic_names, help="The topic; made if it is missing.")
@click.option("--num-records", type=INT, metavar="N", help="How many records to send.")
@click.option("--producer-acks", metavar="ACKS", help="1 or all.")
@click.option("--record-size", type=INT, metavar="BYTES", help="The size of the values.")
@click.option("--record-key-size", type=INT, metavar="BYTES", default=0, help="The size of the keys. Default: no key.")
@click.option("--num-headers", type=INT, metavar="N", default=0, help="How many headers a record has. Default: 0.")
@click.option("--record-header-key-size", type=INT, metavar="BYTES", default=0, help="The size of their names.")
@click.option("--record-header-size", type=INT, metavar="BYTES", default=0, help="The size of their values; -1: null.")
@options.endpoint
@options.output
def command(connection: Connection, topic: str, num_records: int, producer_acks: str, **given: Any) -> Report:
    """Send records one by one, and time how long each takes to be read."""
    _check_numbers(given | {"num_records": num_records})
    texts = dict(connection.settings) | {"acks": producer_acks, "linger.ms": "0", "fetch.max.wait.ms": "0"}
    texts["auto.offset.reset"] = "latest"
    producer, fetch = ProducerSettings.of(texts), FetchSettings.of(texts)
    shape = Shape(
        given["record_size"],
        given["record_key_size"],
        given["num_headers"],
        given["record_header_key_size"],
        given["record_header_size"],
    )
    text = click.get_current_context().params.get("output", "text") == "text"

    def told(index: int, taken_ns: int) -> None:
        if text and index % EVERY == 0:
            click.echo(f"{index}\t{render.plain_double(taken_ns / 1000.0 / 1000.0)}")

    connection = connection._replace(settings=texts)
    _make(connection, topic)
    with on_signals():
        run = Run(topic, shape, connection, producer, fetch, told=told, notice=lambda text: click.echo(text, err=True))
        done = run.all(num_records)
    return _report(done, num_records, connection, {"topic": topic, "num_records": num_records, **given})


def _make(connection: Connection, topic: str) -> None:
    """Make the topic if it is missing. Raises Failure."""
    with (click.get_current_context().obj or client.connect)(connection) as admin:
        if any(found.name == topic for found in admin.list_topics()):
            return
        options.notice(
            f'Topic "{topic}" does not exist. Will create topic with {PARTITIONS} partition(s) and replication factor '
            f"= {REPLICAS}"
        )
        (made,) = admin.create_topics([NewTopic(topic, PARTITIONS, REPLICAS)])
        if isinstance(made, Refused) and made.code != TOPIC_ALREADY_EXISTS:
            raise made


def _report(run: Echoed, wanted: int, connection: Connection, told: Mapping[str, Any]) -> Report:
    failures = list[str]()
    if isinstance(run.stopped, Failure):
        failures += filter(None, (run.stopped.message, run.stopped.advice))
    if run.latencies.records < wanted:
        failures.append(f"{wanted - run.latencies.records} of {wanted} records were not read back.")
    text = render.echoed(run.latencies, run.total_ns)
    code = run.stopped.exit_code if isinstance(run.stopped, Stopped) else 0
    return Report(text, results.echoed(run, told, connection.settings), tuple(failures), exit_code=code)
