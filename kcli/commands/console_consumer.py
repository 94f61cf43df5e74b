"""kcli console-consumer: print the records of a topic (bin/kafka-console-consumer.sh).

Without --group partitions are read directly: no group is made, nothing is left behind. Beyond Kafka: --output json,
the last n records, records from a moment on, --until latest, a filter by key.
"""

import os
import re
import select
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from kcli import options, properties
from kcli.errors import FAILED, SUCCESS, Failure, Setup, Usage
from kcli.options import INT, LONG, Given
from kcli.pipeline.decoding import Block
from kcli.pipeline.fetcher import Fetcher, Key
from kcli.pipeline.membership_pump import Membership
from kcli.pipeline.messages import EARLIEST, LATEST
from kcli.pipeline.network import Network
from kcli.pipeline.settings import FetchSettings, GroupSettings, Properties
from kcli.pipeline.stopping import Hold, Stopped, on_signals, write_all
from kcli.pipeline.subscription import Subscription, Wanted
from kcli.plan import console as plan
from kcli.properties import Connection
from kcli.render import console as render

CLIENT_ID = "console-consumer"
STDOUT = 1
FOREVER = 1 << 62
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FLUSH_BYTES = 1 << 18
EXAMPLES = """
    kcli console-consumer --topic orders --from-beginning --max-messages 5
    kcli console-consumer --topic orders --from-beginning --until latest --output json
    kcli console-consumer --topic orders --offset -10 --formatter-property print.key=true
    kcli console-consumer --topic orders --offset @2026-01-31T12:00 --timeout-ms 3000
    kcli console-consumer --topic orders --partition 0 --offset 1000 --max-messages 1
"""
DEPRECATED = {
    "property": "formatter-property",
    "consumer-property": "command-property",
    "consumer.config": "command-config",
}
NO_PLACE = "A group begins where it has committed, and ends nowhere."


def check(given: Given) -> None:
    """Kafka's rules of usage, in its order."""
    if given.has("topic") == given.has("include"):
        raise Usage("Exactly one of the following arguments is required: [topic], [include]")
    if given.has("partition") and not given.has("topic"):
        raise Usage("The topic is required when partition is specified.")
    if given.has("from-beginning") and given.has("offset"):
        raise Usage("Options from-beginning and offset cannot be specified together.")
    offset = given.values("offset")
    if offset and not given.has("partition") and plan.start(offset[0]).of_kafka:
        raise Usage("The partition is required when offset is specified.")
    for old, new in DEPRECATED.items():
        if given.has(new) and given.has(old):
            raise Usage(f"Options --{old} and --{new} cannot be specified together.")
        if given.has(old):
            beside = given.values("output")[-1:] == ["json"]  # a notice is no data
            click.echo(
                f"Option --{old} is deprecated and will be removed in a future version. Use --{new} instead.",
                err=beside,
            )


def _group(given: Mapping[str, Any]) -> str | None:
    """The group to be a member of. Raises Usage: contradictions, as Kafka refuses them."""
    pairs = (*given["consumer_property"], *given["command_property"])
    group = options.group(given["group"], given["consumer_config"] or given["command_config"], pairs)
    if group is not None and given["partition"] is not None:
        raise Usage("Options group and partition cannot be specified together.")
    for option in ("offset", "until"):
        if group is not None and given[option] is not None:
            raise Usage(f"Options group and {option} cannot be specified together.", NO_PLACE)
    return group


@click.command(cls=options.Tool, check=check, examples=EXAMPLES)
@click.option("--topic", metavar="TOPIC", shell_complete=options.topic_names, help="The topic to read.")
@click.option("--include", metavar="REGEX", help="The topics to read; topics that are made later are read, too.")
@click.option("--bootstrap-server", metavar="HOST:PORT,...", help=options.BOOTSTRAP_HELP)
@click.option("--partition", type=INT, metavar="N", help="The only partition to read. Default: all.")
@click.option(
    "--offset",
    metavar="OFFSET",
    help="Where to begin: earliest, latest, a number; -N for the last N records and @TIME (ISO date, or ms) for those "
    "from a moment on, of each partition. Default: latest.",
)
@click.option("--from-beginning", is_flag=True, help="Begin at the first record.")
@click.option("--until", type=click.Choice(["latest"]), help="Stop at the end as it was at the start.")
@click.option("--max-messages", type=INT, metavar="N", help="Stop after so many records.")
@click.option("--timeout-ms", type=LONG, metavar="MS", help="Stop when so long no record has come.")
@click.option("--isolation-level", metavar="LEVEL", help="read_committed or read_uncommitted (default).")
@click.option("--key", metavar="TEXT", help="Only records with this key.")
@click.option("--key-regex", metavar="REGEX", help="Only records whose whole key matches.")
@click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="text: by the formatter; json: one object a line (what is not UTF-8 under NAME_base64). Default: text.",
)
@click.option(
    "--formatter-property",
    multiple=True,
    metavar="KEY=VALUE",
    help="What is printed; repeatable: print.timestamp, print.partition, print.offset, print.headers, print.key, "
    "print.value (true), key.separator (a tab), line.separator, headers.separator (,), null.literal (null), "
    "key.deserializer, value.deserializer, headers.deserializer.",
)
@click.option("--formatter-config", metavar="FILE", help="A file of such properties.")
@click.option(
    "--formatter", metavar="CLASS", default=render.DEFAULT, help="Also LoggingMessageFormatter, NoOpMessageFormatter."
)
@click.option("--key-deserializer", metavar="CLASS", help="As key.deserializer.")
@click.option("--value-deserializer", metavar="CLASS", help="As value.deserializer.")
@click.option("--skip-message-on-error", is_flag=True, help="Leave out records that cannot be printed.")
@click.option("--group", metavar="GROUP", help="Read as a member of this group, and commit what is printed.")
@click.option("--command-property", multiple=True, metavar="KEY=VALUE", help="One consumer setting; repeatable.")
@click.option("--command-config", metavar="FILE", help="A file of consumer settings (security.protocol=... and so on).")
@click.option(
    "--property", "old_property", multiple=True, metavar="KEY=VALUE", help="Deprecated: --formatter-property."
)
@click.option("--consumer-property", multiple=True, metavar="KEY=VALUE", help="Deprecated: --command-property.")
@click.option("--consumer.config", "consumer_config", metavar="FILE", help="Deprecated: --command-config.")
@click.option("--enable-systest-events", is_flag=True, help="Print shutdown_complete at the end.")
def command(**given: Any) -> int:
    """Print the records of a topic."""
    group = _group(given)
    connection = options.connect_to(
        given["bootstrap_server"],
        given["command_config"] or given["consumer_config"],
        (*given["command_property"], *given["consumer_property"]),
    )
    connection = connection._replace(settings=_settings(connection.settings, given))
    member = None if group is None else GroupSettings.of(connection.settings, group)
    run = _Run(given, connection, FetchSettings.of(connection.settings), member)
    try:
        return run.all()
    except Stopped as stopped:
        raise SystemExit(stopped.exit_code) from stopped


def _settings(settings: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    merged = {"client.id": CLIENT_ID} | dict(settings)
    if given["isolation_level"] is not None:
        merged["isolation.level"] = given["isolation_level"]
    reset = merged.get("auto.offset.reset")
    if given["from_beginning"] and reset not in (None, "earliest"):
        raise Setup(
            f"Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
        )
    if given["from_beginning"]:
        merged["auto.offset.reset"] = "earliest"
    return merged


def _formatter(given: Mapping[str, Any]) -> render.Formatter:
    if given["output"] == "json":
        return render.Json()
    texts = properties.load(given["formatter_config"]) if given["formatter_config"] else {}
    for field in ("key", "value"):
        if given[f"{field}_deserializer"]:
            texts[f"{field}.deserializer"] = given[f"{field}_deserializer"]
    texts |= properties.pairs((*given["formatter_property"], *given["old_property"]))
    return render.formatter(given["formatter"], texts, _warn)


class _Unprintable(Failure):
    """A record that the formatter does not take: it ends the run after the total."""


class _Run:
    """One run: which partitions, from where to where, and what has been printed."""

    def __init__(
        self, given: Mapping[str, Any], connection: Connection, settings: FetchSettings, group: GroupSettings | None
    ) -> None:
        self._group = group
        self._membership: Membership | None = None
        self._hold: Hold | None = None
        self._connection, self._settings, self._formatter = connection, settings, _formatter(given)
        flag = Properties(connection.settings).flag
        self._wanted = Wanted(
            given["topic"],
            _expression(given["include"]) if given["include"] is not None else None,
            given["partition"],
            internal=not flag("exclude.internal.topics", True),
            create=flag("allow.auto.create.topics", False),
        )
        self._start = _start(given, settings)
        self._when = _milliseconds(self._start.when) if self._start.when else 0
        self._until, self._skip = given["until"], given["skip_message_on_error"]
        self._keys = plan.keys(given["key"], given["key_regex"])
        self._systest = given["enable_systest_events"]
        limit, timeout = given["max_messages"], given["timeout_ms"]
        self._left = FOREVER if limit in (None, -1) else max(limit, 0)
        self._timeout = float(FOREVER) if timeout is None or timeout < 0 else timeout
        self.count = 0
        self._ends: dict[Key, int] = {}  # where --until stops, of the partitions that are not there yet
        self._out: list[bytes] = []
        self._held = 0
        self._shown: dict[Key, int] = {}  # behind what is printed, or about to be, of what has been handed out last

    def all(self) -> int:
        """Read and print until there is a reason to end; returns the exit code. Raises Failure, Stopped."""
        code = SUCCESS
        with on_signals(), Network(self._connection, notice=_warn) as network:
            network.start()
            self._network, self._fetcher = network, Fetcher(network, self._settings)
            if self._group:
                self._membership = Membership(network, self._fetcher, self._wanted, self._group)
                self._hold = Hold(network.wake)
            with self._hold or nullcontext():
                try:
                    self._read()
                except _Unprintable:
                    raise
                except Failure as failure:
                    self._write()
                    _tell(failure)
                    code = FAILED
                except BrokenPipeError:  # whoever read our output has seen enough
                    self._out.clear()
                    self._shown.clear()
                    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
                finally:
                    code = self._close() or code
        return code

    def _close(self) -> int:
        """Print what is left, leave the group, tell the total; returns the exit code of that."""
        code = SUCCESS
        self._write()
        try:
            if self._membership:
                self._membership.dealt(self._shown)
                self._membership.leave()
        except Failure as failure:
            _tell(failure)
            code = FAILED
        if self._systest:
            os.write(STDOUT, b"shutdown_complete\n")
        _warn(render.summary(self.count))
        return code

    # --- reading

    def _read(self) -> None:
        now = self._network.now_ms
        later = EARLIEST if self._start.offset is None else self._start.offset
        patient = self._until is None
        found = self._membership or Subscription(
            self._network, self._fetcher, self._wanted, self._starts, later, patient=patient
        )
        hangup = select.poll()
        hangup.register(STDOUT, 0)
        deadline = now() + self._timeout
        while self._left > 0:
            if self._hold:
                self._hold.check()
            found.discover()
            if self._until and isinstance(found, Subscription) and found.known and self._complete():
                return
            blocks, _ = self._fetcher.poll(max(min(deadline - now(), found.wait_ms), 0))
            self._shown = {(block.topic, block.partition): block.start for block in reversed(blocks)}
            for block in blocks:
                self._show(block)
            self._write()
            if self._membership and self._left > 0:
                self._membership.settled()
            if blocks:
                deadline = now() + self._timeout
            elif now() >= deadline or hangup.poll(0):
                return

    def _complete(self) -> bool:
        """Whether --until has been reached everywhere."""
        done = [key for key, end in self._ends.items() if self._fetcher.position(key) >= end]
        self._fetcher.drop(done)
        for key in done:
            del self._ends[key]
        return not self._ends

    def _starts(self, keys: Sequence[Key]) -> dict[Key, int]:
        """Where reading begins. Raises Failure: the brokers do not tell."""
        start, look_up = self._start, self._fetcher.offsets
        ends: dict[Key, int] = {}
        if self._until or start.last is not None:
            ends = {key: row.offset for key, row in look_up(dict.fromkeys(keys, LATEST)).items()}
            self._ends = ends if self._until else {}
        if start.offset is not None:
            return dict.fromkeys(keys, start.offset)
        if start.when is not None:
            rows = look_up(dict.fromkeys(keys, self._when))
            return {key: row.offset if row.offset >= 0 else LATEST for key, row in rows.items()}
        if start.last is not None:
            first = look_up(dict.fromkeys(keys, EARLIEST))
            return {key: max(first[key].offset, ends[key] - start.last) for key in keys}
        return dict.fromkeys(keys, EARLIEST if start.word == plan.EARLIEST else LATEST)

    # --- printing

    def _show(self, block: Block) -> None:
        """Print a block, or as much of it as is wanted."""
        if self._left <= 0:
            return
        key = block.topic, block.partition
        if key in self._ends:
            block.end = min(block.end, self._ends[key])
        if self._formatter.values_only and self._keys.all:
            values = block.values()
            cut = len(values) > self._left
            self._shown[key] = block.records()[self._left].offset if cut else block.end
            values = values[: self._left]
            self._took(len(values))
            self._print(self._formatter.values(values))
            return
        wanted = [record for record in block.records() if self._keys.wants(record.key)]
        records = wanted[: self._left]
        try:
            self._print(self._formatter.records(*key, block.head.append_time, records))
            self._shown[key] = records[-1].offset + 1 if len(wanted) > len(records) else block.end
            self._took(len(records))
        except Failure:
            for record in records:  # one by one, to know which one it is
                self._took(1)
                try:
                    self._print(self._formatter.records(*key, block.head.append_time, [record]))
                except Failure as failure:
                    self._shown[key] = record.offset
                    self._unprintable(f"{block.topic}-{block.partition} at offset {record.offset}", failure)

    def _unprintable(self, where: str, failure: Failure) -> None:
        if not self._skip:
            raise _Unprintable(failure.message, f"It is the record of {where}. --skip-message-on-error leaves it out.")
        self._write()
        _warn(f"Skipped the record of {where}: {failure.message}")

    def _took(self, count: int) -> None:
        self.count += count
        self._left -= count

    def _print(self, text: bytes) -> None:
        self._out.append(text)
        self._held += len(text)
        if self._held >= FLUSH_BYTES:
            self._write()

    def _write(self) -> None:
        text = b"".join(self._out)
        self._out.clear()
        self._held = 0
        try:
            write_all(STDOUT, text, self._hold)
        except Stopped:  # nobody takes it: it counts as not printed
            self._shown.clear()
            raise


def _start(given: Mapping[str, Any], settings: FetchSettings) -> plan.Start:
    if given["offset"]:
        return plan.start(given["offset"])
    if given["partition"] is not None:  # then Kafka's tool does not ask for auto.offset.reset
        return plan.Start(word=plan.EARLIEST if given["from_beginning"] else plan.LATEST)
    return plan.Start(word=plan.EARLIEST if settings.reset == "earliest" else plan.LATEST)


def _expression(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise Setup(f"--include: '{text}' is not a regular expression: {error}") from error


def _milliseconds(text: str) -> int:
    """Read a moment: ms since 1970, or an ISO date; local time where it names no zone. Raises Setup."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return (datetime.fromisoformat(text).astimezone() - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError, OSError) as error:
        raise Setup(f"@{text} is not a moment", "Write it as @2026-01-31T12:00 or as @ and ms since 1970.") from error


def _tell(failure: Failure) -> None:
    _warn("\n".join(filter(None, (failure.message, failure.advice))))


def _warn(text: str) -> None:
    sys.stdout.flush()
    click.echo(text, err=True)
