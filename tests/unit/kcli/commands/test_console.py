"""kcli console-producer and console-consumer as processes, against a small cluster that may misbehave.

What they print where Kafka's tools print the same is in tests/golden/records/console.record.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema
import pytest

from kcli.commands.console_producer import SETTINGS, TOLD, _settings
from kcli.pipeline.encoding import Open
from tests.support.broker import ROOT
from tests.support.calls import Calls
from tests.support.log_broker import LOSE, MESSAGE_TOO_LARGE, LogCluster
from tests.support.waiting import until

SCHEMAS = ROOT / "schemas" / "output"
SECONDS = 20


@pytest.fixture
def cluster() -> Iterator[LogCluster]:
    with LogCluster({"t": 1, "two": 2}, nodes=2) as made:
        yield made


class Kcli:
    """Calls of kcli against `cluster`."""

    def __init__(self, calls: Calls, cluster: LogCluster, work: Path) -> None:
        self._calls, self.cluster, self._work = calls, cluster, work

    def __call__(self, line: str, stdin: bytes = b"", *more: str) -> tuple[bytes, str, int]:
        """Standard output, standard error, exit code."""
        args = [*line.split(), *more, "--bootstrap-server", self.cluster.bootstrap]
        done = self._calls.kcli(args, stdin, self._work, seconds=SECONDS)
        return done.stdout, done.stderr.decode(), done.returncode

    def produce(self, options: str, stdin: bytes) -> tuple[bytes, str, int]:
        return self(f"console-producer --topic t --timeout 0 {options}", stdin)

    def consume(self, options: str, *more: str) -> tuple[bytes, str, int]:
        return self(f"console-consumer --topic t {options}", b"", *more)

    @contextmanager
    def running(self, line: str, **streams: object) -> Iterator["subprocess.Popen[bytes]"]:
        args = [sys.executable, "-m", "kcli", *line.split(), "--bootstrap-server", self.cluster.bootstrap]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        chosen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        with subprocess.Popen(args, cwd=self._work, env=environment, **chosen) as process:  # type: ignore[call-overload]
            try:
                yield process
            finally:
                process.kill()


@pytest.fixture
def kcli(calls: Calls, cluster: LogCluster, tmp_path: Path) -> Kcli:
    return Kcli(calls, cluster, tmp_path)


def fill(cluster: LogCluster, *rows: tuple[bytes | None, bytes | None], topic: str = "t", partition: int = 0) -> None:
    """Append one batch; times count from 1000."""
    batch = Open(1000)
    for index, (key, value) in enumerate(rows):
        batch.add(key, value, (), 1000 + index)
    cluster.logs[topic, partition].append(b"".join(batch.close(0).pieces()))


def numbers(count: int) -> list[tuple[None, bytes]]:
    return [(None, b"%d" % number) for number in range(count)]


# --- the producer


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"one", [b"one"]),
        (b"one\ntwo\n", [b"one", b"two"]),
        (b"one\n\nlast", [b"one", b"", b"last"]),
        (b"\xff\0\r\n\r", [b"\xff\0\r", b"\r"]),
    ],
)
def test_lines_are_values_and_bytes_stay_bytes(kcli: Kcli, text: bytes, values: list[bytes]) -> None:
    assert kcli.produce("", text) == (b"", "", 0)
    assert kcli.cluster.values() == values


def test_long_and_many_lines(kcli: Kcli) -> None:
    """Lines that are longer than what is read at once, and batches by the hundred."""
    values = [b"x" * 600_000, b"y", b"z" * 300_000, *(b"%d" % number for number in range(50_000)), b"end"]
    assert kcli.produce("", b"\n".join(values)) == (b"", "", 0)
    assert kcli.cluster.values() == values


def test_a_line_is_sent_while_more_is_waited_for(kcli: Kcli) -> None:
    with kcli.running("console-producer --topic t --timeout 0") as process:
        assert process.stdin
        for text in (b"a\nb", b"c\nd\n"):
            process.stdin.write(text)
            process.stdin.flush()
            until(lambda text=text: len(kcli.cluster.values()) >= text.count(b"\n"), SECONDS, "a")  # type: ignore[misc]
        until(lambda: kcli.cluster.values() == [b"a", b"bc", b"d"], SECONDS, "all lines")
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def test_sync_sends_one_by_one(kcli: Kcli) -> None:
    assert kcli.produce("--sync", b"a\nb\nc\n")[2] == 0
    assert len(kcli.cluster.logs["t", 0].batches) == 3


def test_a_failed_send_is_told_and_makes_the_exit_code_1(kcli: Kcli) -> None:
    kcli.cluster.troubles = [MESSAGE_TOO_LARGE]
    out, err, code = kcli.produce("--output json", b"abc\n")
    assert err == (
        "Error when sending message to topic t with key: null, value: 3 bytes with error: "
        "The request included a message larger than the max message size the server will accept.\n"
    )
    assert (json.loads(out), code) == ({"topic": "t", "sent": 0, "failed": 1}, 1)


def test_many_failures_are_a_few_lines(kcli: Kcli) -> None:
    kcli.cluster.troubles = [87]
    out, err, code = kcli.produce("--output json", b"".join(b"%d\n" % number for number in range(100)))
    *told, last = err.splitlines()
    assert (len(told), last, code) == (TOLD, "100 of 100 records could not be sent.", 1)
    data = json.loads(out)
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "console-producer.schema.json").read_text())).validate(data)


def test_sync_ends_at_the_first_failure(kcli: Kcli) -> None:
    kcli.cluster.troubles = [None, 87]
    _, err, code = kcli.produce("--sync", b"a\nb\nc\n")
    assert (err.count("\n"), code) == (1, 1)
    assert kcli.cluster.values() == [b"a"]


def test_a_lost_answer_is_survived(kcli: Kcli) -> None:
    kcli.cluster.troubles = [LOSE]
    _, err, code = kcli.produce("", b"a\nb\n")
    assert (code, kcli.cluster.values()) == (0, [b"a", b"b"])
    assert err.startswith("Lost the connection to the broker at 127.0.0.1:")


def test_lines_before_a_wrong_one_are_sent(kcli: Kcli) -> None:
    out, err, code = kcli.produce("--reader-property parse.key=true", b"k\tv\nwrong\nk\tw\n")
    assert (out, err, code) == (b"", "No key separator found on line number 2: 'wrong'\n", 1)
    assert kcli.cluster.values() == [b"v"]


def test_reader_properties_come_from_a_file_and_options_win(kcli: Kcli, tmp_path: Path) -> None:
    (tmp_path / "reader").write_text("parse.key=true\nkey.separator=|\n")
    options = "--reader-config reader --reader-property key.separator=;"
    assert kcli.produce(options, b"k|;v\n") == (b"", "", 0)
    assert kcli.cluster.values() == [b"v"]


def test_a_mistyped_reader_property_is_told(kcli: Kcli) -> None:
    _, err, code = kcli.produce("--reader-property parse.keys=true", b"v\n")
    assert (err, code) == ("The reader does not know the property 'parse.keys'\n", 0)


def test_ctrl_c_sends_what_was_read(kcli: Kcli) -> None:
    with kcli.running("console-producer --topic t --timeout 60000") as process:
        assert process.stdin
        process.stdin.write(b"a\n")
        process.stdin.flush()
        asked = kcli.cluster.nodes[0].asked
        until(lambda: any(name == "InitProducerId" for name, *_ in asked), SECONDS, "the line to be read")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    assert kcli.cluster.values() == [b"a"]


def test_a_terminal_gets_a_prompt_for_each_line(kcli: Kcli) -> None:
    ours, theirs = pty.openpty()
    try:
        with kcli.running("console-producer --topic t --timeout 0", stdin=theirs, stdout=theirs) as process:
            assert os.read(ours, 10) == b">"
            os.write(ours, b"typed\n")
            until(lambda: kcli.cluster.values() == [b"typed"], SECONDS, "the line")
            shown = b""
            while not shown.endswith(b">"):
                shown += os.read(ours, 100)
            assert shown == b"typed\r\n>"
            os.write(ours, b"\x04")  # Ctrl-D
            assert process.wait(SECONDS) == 0
    finally:
        os.close(ours)
        os.close(theirs)


def test_settings_are_merged_as_kafka_merges_them() -> None:
    """An option that was typed, else the file or a property, else the tool's default."""
    given: dict[str, object] = dict.fromkeys([*SETTINGS, "max_partition_memory_bytes"])
    typed = given | {"timeout": 7, "batch_size": 100}
    merged = _settings({"linger.ms": "5", "acks": "1", "other": "x"}, typed)
    assert {key: merged[key] for key in ("linger.ms", "acks", "retries", "batch.size", "other", "client.id")} == {
        "linger.ms": "7", "acks": "1", "retries": "3", "batch.size": "100", "other": "x",
        "client.id": "console-producer",
    }  # fmt: skip
    assert _settings({}, typed | {"max_partition_memory_bytes": 456})["batch.size"] == "456"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--property a=b --reader-property a=b",
         "Options --reader-property and --property cannot be specified together."),
        ("--producer.config f --command-config f",
         "Options --command-config and --producer.config cannot be specified together."),
        ("--command-property transactional.id=x",
         "transactional.id=x is not supported: this client has not got transactions"),
        ("--reader-property key.separator=x --reader-property null.marker=x",
         "null.marker and key.separator may not be equal"),
        ("--command-config nofile", "Cannot read nofile: No such file or directory"),
    ],
)  # fmt: skip
def test_what_the_producer_refuses(kcli: Kcli, options: str, words: str) -> None:
    out, err, code = kcli.produce(options, b"x\n")
    assert (out, err.splitlines()[0], code) == (b"", words, 1)
    assert kcli.cluster.values() == []


# --- the consumer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--from-beginning --until latest", range(20)),
        ("--until latest", []),
        ("--from-beginning --max-messages 3", range(3)),
        ("--from-beginning --max-messages 0", []),
        ("--partition 0 --offset 17 --max-messages 2", [17, 18]),
        ("--partition 0 --offset earliest --until latest", range(20)),
        ("--offset -3 --until latest", [17, 18, 19]),
        ("--offset -300 --until latest", range(20)),
        ("--offset @1012 --until latest", [12, 13, 14, 15, 16, 17, 18, 19]),
        ("--offset @1970-01-01T00:00:01.019+00:00 --until latest", [19]),
        ("--offset @2000 --until latest", []),
        ("--from-beginning --timeout-ms 300", range(20)),
        ("--from-beginning --until latest --command-property fetch.max.bytes=10", range(20)),
    ],
)
def test_where_reading_begins_and_ends(kcli: Kcli, options: str, expected: list[int]) -> None:
    fill(kcli.cluster, *numbers(20))
    out, err, code = kcli.consume(options)
    assert [int(line) for line in out.splitlines()] == list(expected)
    assert (err, code) == (f"Processed a total of {len(expected)} messages\n", 0)


def test_reading_waits_for_what_comes(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(3))
    with kcli.running("console-consumer --topic t --offset -1 --max-messages 2") as process:
        assert process.stdout
        assert process.stdout.readline() == b"2\n"
        with kcli.cluster.lock:
            fill(kcli.cluster, (None, b"new"))
        assert process.communicate(timeout=SECONDS) == (b"new\n", b"Processed a total of 2 messages\n")
        assert process.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_the_total(kcli: Kcli, number: int, code: int) -> None:
    fill(kcli.cluster, *numbers(3))
    with kcli.running("console-consumer --topic t --from-beginning") as process:
        assert process.stdout
        assert [process.stdout.readline() for _ in range(3)] == [b"0\n", b"1\n", b"2\n"]
        process.send_signal(number)
        assert process.communicate(timeout=SECONDS) == (b"", b"Processed a total of 3 messages\n")
        assert process.returncode == code


def test_a_closed_pipe_is_no_error(kcli: Kcli) -> None:
    """And it is noticed when nothing more is there to be printed."""
    fill(kcli.cluster, *numbers(3))
    with kcli.running("console-consumer --topic t --from-beginning") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b"Processed a total of 3 messages\n"
        assert process.wait(SECONDS) == 0


def test_a_pipe_that_closes_under_a_flood_is_no_error(kcli: Kcli) -> None:
    fill(kcli.cluster, *((None, b"x" * 1000) for _ in range(1000)))
    with kcli.running("console-consumer --topic t --from-beginning --until latest") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b"Processed a total of 1000 messages\n"
        assert process.wait(SECONDS) == 0


def test_json_keeps_to_its_schema(kcli: Kcli) -> None:
    fill(kcli.cluster, (b"k", b"v"), (b"\xff", None))
    out, _, code = kcli.consume("--from-beginning --until latest --output json")
    validator = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "console-consumer.schema.json").read_text()))
    found = [json.loads(line) for line in out.splitlines()]
    for one in found:
        validator.validate(one)
    assert [(one["offset"], one.get("key"), one["value"]) for one in found] == [(0, "k", "v"), (1, None, None)]
    assert (found[1]["key_base64"], code) == ("/w==", 0)


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ("--key a", [b"1", b"3"]),
        ("--key-regex a.*", [b"1", b"2", b"3"]),
        ("--key-regex .*b", [b"2"]),
        ("--key none", []),
    ],
)
def test_records_are_chosen_by_key(kcli: Kcli, options: str, values: list[bytes]) -> None:
    fill(kcli.cluster, (b"a", b"1"), (b"ab", b"2"), (b"a", b"3"), (None, b"4"))
    out, err, _ = kcli.consume(f"--from-beginning --until latest {options}")
    assert out.splitlines() == values
    assert err == f"Processed a total of {len(values)} messages\n"


def test_chosen_records_count_for_the_limit(kcli: Kcli) -> None:
    fill(kcli.cluster, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"a", b"4"))
    assert kcli.consume("--from-beginning --max-messages 2 --key a")[0] == b"1\n3\n"


def test_an_unprintable_record_ends_the_run_after_the_total(kcli: Kcli) -> None:
    fill(kcli.cluster, (None, b"1234"), (None, b"1"), (None, b"4321"))
    options = "--from-beginning --until latest --value-deserializer IntegerDeserializer"
    out, err, code = kcli.consume(options)
    assert (out, code) == (b"825373492\n", 1)
    assert err.splitlines() == [
        "Processed a total of 2 messages",
        "Size of data received by IntegerDeserializer is not 4",
        "It is the record of t-0 at offset 1. --skip-message-on-error leaves it out.",
    ]


def test_unprintable_records_may_be_skipped(kcli: Kcli) -> None:
    fill(kcli.cluster, (None, b"1234"), (None, b"1"), (None, b"4321"))
    options = "--from-beginning --until latest --value-deserializer IntegerDeserializer --skip-message-on-error"
    out, err, code = kcli.consume(options)
    assert (out, code) == (b"825373492\n875770417\n", 0)
    assert err.splitlines() == [
        "Skipped the record of t-0 at offset 1: Size of data received by IntegerDeserializer is not 4",
        "Processed a total of 3 messages",
    ]


def test_an_error_while_reading_is_told_before_the_total(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(1))
    kcli.cluster.fetch_error["t", 0] = [29]
    out, err, code = kcli.consume("--from-beginning --until latest")
    told = "Not authorized to access topics: [t]\nProcessed a total of 0 messages\n"
    assert (out, err, code) == (b"", told, 1)


def test_topics_by_expression(kcli: Kcli) -> None:
    fill(kcli.cluster, (None, b"a"))
    fill(kcli.cluster, (None, b"b"), topic="two", partition=1)
    options = "console-consumer --include t.* --from-beginning --until latest --formatter-property print.partition=true"
    out, _, code = kcli(options)
    assert (sorted(out.splitlines()), code) == ([b"Partition:0\ta", b"Partition:1\tb"], 0)


def test_systest_events(kcli: Kcli) -> None:
    assert kcli.consume("--until latest --enable-systest-events")[0] == b"shutdown_complete\n"


def test_a_topic_is_not_made_by_reading(kcli: Kcli) -> None:
    kcli.cluster._auto_create = True
    _, err, code = kcli("console-consumer --topic new --timeout-ms 300")
    assert err == "Topic new does not exist; waiting for it\nProcessed a total of 0 messages\n"
    assert (code, "new" in kcli.cluster.ids) == (0, False)


def test_until_latest_does_not_wait_for_a_topic(kcli: Kcli) -> None:
    _, err, code = kcli("console-consumer --topic new --until latest")
    assert (err, code) == ("Topic new does not exist\nProcessed a total of 0 messages\n", 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--topic t --include x", "Exactly one of the following arguments is required: [topic], [include]"),
        ("--include x --partition 0", "The topic is required when partition is specified."),
        ("--topic t --offset 3", "The partition is required when offset is specified."),
        ("--topic t --offset abc --partition 0", "The provided offset value 'abc' is incorrect. Valid values are "
         "'earliest', 'latest', or a non-negative long."),
        ("--topic t --offset @yesterday", "@yesterday is not a moment"),
        ("--include [", "--include: '[' is not a regular expression: unterminated character set at position 0"),
        ("--topic t --group g", "--group is not built yet in this version of kcli."),
        ("--topic t --command-property group.id=g", "group.id is not supported yet in this version of kcli."),
        ("--topic t --group a --command-property group.id=b", "The group ids provided in different places (directly "
         "using '--group', via '--consumer-property', or via '--consumer.config') do not match. "
         "Detected group ids: 'a', 'b'"),
        ("--topic t --from-beginning --command-property auto.offset.reset=latest",
         "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option"),
        ("--topic t --isolation-level sometimes", "Invalid value sometimes for configuration isolation.level: "
         "String must be one of: read_committed, read_uncommitted"),
        ("--topic t --property a=b --formatter-property a=b",
         "Options --property and --formatter-property cannot be specified together."),
    ],
)  # fmt: skip
def test_what_the_consumer_refuses(kcli: Kcli, options: str, words: str) -> None:
    out, err, code = kcli(f"console-consumer {options}")
    assert (out, err.splitlines()[0], code) == (b"", words, 1)


def test_deprecated_names_are_told_beside_json(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(1))
    out, err, _ = kcli.consume("--from-beginning --max-messages 1 --output json --property print.key=true")
    assert json.loads(out)["value"] == "0"
    assert err.startswith("Option --property is deprecated and will be removed in a future version.")


@pytest.mark.parametrize("command", ["console-producer", "console-consumer"])
def test_nobody_listens(kcli: Kcli, command: str) -> None:
    with LogCluster({}) as gone:
        pass
    kcli.cluster = gone
    out, err, code = kcli(f"{command} --topic t", b"x\n")
    first, advice = err.splitlines()
    assert (out, first, code) == (b"", f"No broker answers at {gone.bootstrap}", 1)
    assert "kcli cluster up" in advice
