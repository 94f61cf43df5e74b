"""kcli console-producer: write lines of standard input to a topic (bin/kafka-console-producer.sh).

Lines go out in batches while the rest is read. Unlike Kafka's tool, a record that could not be sent makes the exit
code 1, and nothing is said twice: the first few failures are told one by one, the rest as a number.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from kcli import options, properties
from kcli.errors import Failure, Setup, Usage
from kcli.options import INT, LONG, Given
from kcli.pipeline.encoding import Batch
from kcli.pipeline.network import FOREVER_MS, Network
from kcli.pipeline.producer import Failed, Producer
from kcli.pipeline.settings import ProducerSettings
from kcli.pipeline.stopping import Stopped, on_signals
from kcli.plan import console as plan
from kcli.properties import Connection
from kcli.report import Report

CLIENT_ID = "console-producer"
LINE_READERS = ("org.apache.kafka.tools.LineMessageReader", "LineMessageReader")
CHUNK_BYTES = 1 << 18
MAX_LINE_BYTES = 1 << 30
TOLD = 10  # failures that are told one by one
STDIN, STDOUT = 0, 1
EXAMPLES = """
    seq 1 1000 | kcli console-producer --topic numbers
    kcli console-producer --topic orders --reader-property parse.key=true --reader-property key.separator=: < orders.txt
    kcli console-producer --topic orders --compression-codec zstd --request-required-acks 1
    kcli console-producer --topic events --reader-property parse.headers=true   # h1:v1,h2:v2<TAB>value
"""
# option: (producer setting, Kafka's default for this tool)
SETTINGS = {
    "batch_size": ("batch.size", 16384),
    "message_send_max_retries": ("retries", 3),
    "retry_backoff_ms": ("retry.backoff.ms", 100),
    "timeout": ("linger.ms", 1000),
    "request_required_acks": ("acks", "-1"),
    "request_timeout_ms": ("request.timeout.ms", 1500),
    "metadata_expiry_ms": ("metadata.max.age.ms", 300000),
    "max_block_ms": ("max.block.ms", 60000),
    "max_memory_bytes": ("buffer.memory", 33554432),
    "socket_buffer_size": ("send.buffer.bytes", 102400),
    "compression_codec": ("compression.type", "none"),
}
DEPRECATED = {
    "property": "reader-property",
    "producer-property": "command-property",
    "producer.config": "command-config",
    "max-partition-memory-bytes": "batch-size",
}


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    given.need("topic")
    for old, new in DEPRECATED.items():
        if given.has(new) and given.has(old) and new != "batch-size":
            raise Usage(f"Options --{new} and --{old} cannot be specified together.")
    beside = given.values("output")[-1:] not in ([], ["text"])  # a notice is no data
    for old, new in DEPRECATED.items():
        if given.has(old):
            until = "in a future version" if new != "batch-size" else "in Apache Kafka 5.0"
            click.echo(f"Warning: --{old} is deprecated and will be removed {until}. Use --{new} instead.", err=beside)


@click.command(cls=options.Tool, check=check, examples=EXAMPLES)
@click.option("--topic", metavar="TOPIC", shell_complete=options.topic_names, help="The topic to write to.")
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP)
@click.option("--sync", is_flag=True, help="Wait for each record before the next is read.")
@click.option(
    "--compression-codec",
    cls=options.OptionalValue,
    bare="gzip",
    metavar="[CODEC]",
    help="none, gzip (without a value), snappy, lz4 or zstd. Default: none.",
)
@click.option(
    "--request-required-acks", metavar="ACKS", help="Which replicas must have a record: 0, 1, -1 or all. Default: -1."
)
@click.option("--batch-size", type=INT, metavar="BYTES", help="How large a batch may get. Default: 16384.")
@click.option("--timeout", type=LONG, metavar="MS", help="How long a batch waits for more records. Default: 1000.")
@click.option("--message-send-max-retries", type=INT, metavar="N", help="Tries after the first one. Default: 3.")
@click.option("--retry-backoff-ms", type=LONG, metavar="MS", help="The wait before a retry. Default: 100.")
@click.option("--request-timeout-ms", type=INT, metavar="MS", help="How long an answer may take. Default: 1500.")
@click.option("--max-block-ms", type=LONG, metavar="MS", help="How long to wait for a topic or room. Default: 60000.")
@click.option("--max-memory-bytes", type=LONG, metavar="BYTES", help="What may wait to be sent. Default: 33554432.")
@click.option("--metadata-expiry-ms", type=LONG, metavar="MS", help="When to ask for metadata again. Default: 300000.")
@click.option("--socket-buffer-size", type=INT, metavar="BYTES", help="Accepted; the system chooses a better one.")
@click.option("--max-partition-memory-bytes", type=INT, metavar="BYTES", help="Deprecated: --batch-size.")
@click.option(
    "--reader-property",
    multiple=True,
    metavar="KEY=VALUE",
    help="How lines are read; repeatable: parse.key, key.separator (a tab), parse.headers, headers.delimiter (a tab), "
    "headers.separator (,), headers.key.separator (:), null.marker, ignore.error, line.ending (lf or crlf).",
)
@click.option("--reader-config", metavar="FILE", help="A file of such properties.")
@click.option("--line-reader", metavar="CLASS", default=LINE_READERS[0], help=f"Only {LINE_READERS[0]}.")
@click.option("--command-property", multiple=True, metavar="KEY=VALUE", help="One producer setting; repeatable.")
@click.option("--command-config", metavar="FILE", help="A file of producer settings (security.protocol=... and so on).")
@click.option("--property", "old_property", multiple=True, metavar="KEY=VALUE", help="Deprecated: --reader-property.")
@click.option("--producer-property", multiple=True, metavar="KEY=VALUE", help="Deprecated: --command-property.")
@click.option("--producer.config", "producer_config", metavar="FILE", help="Deprecated: --command-config.")
@options.output
def command(
    topic: str, sync: bool, line_reader: str, reader_config: str | None, reader_property: tuple[str, ...], **given: Any
) -> Report:
    """Write lines of standard input to a topic."""
    if line_reader not in LINE_READERS:
        raise Setup(line_reader, f"The only line reader is {LINE_READERS[0]}.")
    connection = options.connect_to(
        given["bootstrap_server"],
        given["command_config"] or given["producer_config"],
        (*given["command_property"], *given["producer_property"]),
    )
    connection = connection._replace(settings=_settings(connection.settings, given))
    settings = ProducerSettings.of(connection.settings)
    texts = (properties.load(reader_config) if reader_config else {}) | {"topic": topic}
    texts |= properties.pairs((*reader_property, *given["old_property"]))
    lines = plan.Lines(texts)
    for name in plan.unknown(texts):
        click.echo(f"The reader does not know the property '{name}'", err=True)
    run = _Run(texts["topic"], lines, sync)
    try:
        run.all(connection, settings)
    except Stopped as stopped:
        raise SystemExit(stopped.exit_code) from stopped
    return run.report()


def _settings(settings: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    """Merge as Kafka does: an option that was typed, else the file or a property, else this tool's default."""
    merged = {"client.id": CLIENT_ID} | dict(settings)
    for option, (name, default) in SETTINGS.items():
        if given[option] is not None:
            merged[name] = str(given[option])
        else:
            merged.setdefault(name, str(default))
    if given["max_partition_memory_bytes"] is not None:
        merged["batch.size"] = str(given["max_partition_memory_bytes"])
    return merged


class _Run:
    """One run: what was sent, and what was not."""

    def __init__(self, topic: str, lines: plan.Lines, sync: bool) -> None:
        self._topic, self._lines, self._sync = topic, lines, sync
        self._sent = self._failed = self._number = 0

    def all(self, connection: Connection, settings: ProducerSettings) -> None:
        """Send standard input, up to its end or to the first error that ends the run. Raises Failure, Stopped."""
        with on_signals(), Network(connection, notice=_warn) as network:
            network.start()
            producer = Producer(network, settings, failed=self._not_sent, delivered=self._delivered)
            try:
                for lines in _chunks(network, producer):
                    self._send(producer, lines)
                    if self._sync and self._failed:
                        break
            except (Failure, Stopped):
                producer.flush()  # what was read before is sent, as in Kafka
                raise
            producer.flush()

    def report(self) -> Report:
        data = {"topic": self._topic, "sent": self._sent, "failed": self._failed}
        why = f"{self._failed} of {self._failed + self._sent} records could not be sent."
        return Report("", data, (why,) if self._failed > 1 else (), failed=self._failed > 0)

    def _send(self, producer: Producer, lines: list[bytes]) -> None:
        if self._lines.plain and not self._sync:
            producer.send_values(self._topic, lines)
            return
        for line in lines:
            self._number += 1
            record = self._lines.parse(line, self._number)
            producer.send(self._topic, record.key, record.value, record.headers)
            if self._sync:
                producer.flush()
                if self._failed:  # the first one ends the run
                    return
        producer.poll(0)

    def _delivered(self, topic: str, partition: int, batch: Batch) -> None:
        self._sent += batch.count

    def _not_sent(self, failed: Failed) -> None:
        for key, value, why in failed.records:
            self._failed += 1
            if self._failed <= TOLD:
                _warn(
                    f"Error when sending message to topic {failed.topic} with key: {_size(key)}, "
                    f"value: {_size(value)} with error: {why}"
                )


def _chunks(network: Network, producer: Producer) -> Iterator[list[bytes]]:
    """Read standard input as it comes, whole lines at a time; the producer goes on working meanwhile."""
    waits = network.watch(STDIN)
    prompts = os.isatty(STDIN) and os.isatty(STDOUT)
    rest: list[bytes] = []
    held = 0
    while True:
        if prompts and not rest:
            os.write(STDOUT, b">")
        while STDIN not in producer.poll(FOREVER_MS if waits else 0) and waits:
            pass
        chunk = os.read(STDIN, CHUNK_BYTES)
        if not chunk:
            break
        if b"\n" not in chunk:
            rest.append(chunk)
            held += len(chunk)
            if held > MAX_LINE_BYTES:
                raise Failure(f"A line has more than {MAX_LINE_BYTES} bytes")
            continue
        lines = b"".join([*rest, chunk]).split(b"\n")
        last = lines.pop()
        rest, held = ([last] if last else []), len(last)
        yield lines
    if rest:
        yield [b"".join(rest)]
    network.unwatch(STDIN)


def _size(field: bytes | None) -> str:
    return "null" if field is None else f"{len(field)} bytes"


def _warn(text: str) -> None:
    sys.stdout.flush()
    click.echo(text, err=True)
