"""kcli console-producer as a process, against a small cluster that may misbehave.

What it prints where Kafka's tool prints the same is in tests/golden/records/console.record.
"""

import json
import os
import pty
import signal
from pathlib import Path

import jsonschema
import pytest

from kcli.commands.console_producer import SETTINGS, TOLD, _settings
from tests.support.consoles import SCHEMAS, SECONDS, Kcli
from tests.support.log_broker import LOSE, MESSAGE_TOO_LARGE
from tests.support.waiting import until


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
