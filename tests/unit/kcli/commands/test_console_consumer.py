"""kcli console-consumer as a process, against a small cluster that may misbehave.

What it prints where Kafka's tool prints the same is in tests/golden/records/console.record.
"""

import json
import signal

import jsonschema
import pytest

from tests.support.consoles import SCHEMAS, SECONDS, Kcli, fill, numbers
from tests.support.log_broker import LogCluster


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


@pytest.mark.parametrize("options", ["", "--output json"])
def test_until_latest_prints_nothing_that_came_later(kcli: Kcli, options: str) -> None:
    fill(kcli.cluster, *numbers(20))
    kcli.cluster.ends["t", 0] = 7
    out, _, code = kcli.consume(f"--from-beginning --until latest {options}")
    assert (len(out.splitlines()), code) == (7, 0)


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
        ("--topic t --group g --offset -3", "Options group and offset cannot be specified together."),
        ("--topic t --command-property group.id=g --until latest",
         "Options group and until cannot be specified together."),
        (
            "--topic t --group g --command-property group.protocol=consumer",
            "group.protocol=consumer is not supported: this client is a member by the classic protocol only",
        ),
        (
            "--topic t --group g --command-property partition.assignment.strategy=Sticky",
            "partition.assignment.strategy=Sticky is not supported: this client has "
            "org.apache.kafka.clients.consumer.RangeAssignor",
        ),
        (
            "--topic t --group g --command-property session.timeout.ms=3000",
            "Heartbeat must be set lower than the session timeout",
        ),
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
