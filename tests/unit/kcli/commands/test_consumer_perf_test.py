"""kcli consumer-perf-test as a process, against a small cluster.

What it prints where Kafka's tool prints the same is in tests/golden/records/perf.record.
"""

import json

import jsonschema
import pytest

from kcli.pipeline.compression import CODECS
from kcli.pipeline.encoding import Open
from tests.support.consoles import SCHEMAS, Kcli, fill, numbers


def perf(kcli: Kcli, options: str) -> tuple[list[str], str, int]:
    out, err, code = kcli(f"consumer-perf-test --hide-header {options}")
    return out.decode().splitlines(), err, code


def test_records_and_bytes_are_counted(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(100))
    fill(kcli.cluster, (b"key", b"value"), (None, None))
    (row,), err, code = perf(kcli, "--topic t --num-records 102")
    assert row.split(", ")[4] == "102"
    assert row.split(", ")[2] == "0.0002"  # 190 digits and 8 letters
    assert (err, code) == ("", 0)


@pytest.mark.parametrize("codec", range(len(CODECS)), ids=CODECS)
def test_every_codec_is_read(kcli: Kcli, codec: int) -> None:
    batch = Open(1000)
    batch.add_values([b"x" * 1024] * 1024, [1024] * 1024, 1000)
    kcli.cluster.logs["t", 0].append(b"".join(batch.close(codec).pieces()))
    (row,), _, code = perf(kcli, "--topic t --num-records 1024")
    assert (row.split(", ")[2], row.split(", ")[4], code) == ("1.0000", "1024", 0)


def test_too_few_records_make_the_exit_code_1(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(10))
    (warning, row), _, code = perf(kcli, "--topic t --num-records 11 --timeout 300")
    assert warning.startswith("WARNING: Exiting before consuming the expected number of records: timeout (300 ms)")
    assert (row.split(", ")[4], code) == ("10", 1)


def test_all_topics_that_match(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(10))
    fill(kcli.cluster, *numbers(5), topic="two", partition=1)
    (row,), _, code = perf(kcli, "--include t.* --num-records 15")
    assert (row.split(", ")[4], code) == ("15", 0)


def test_a_broken_batch_ends_the_run(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(10))
    log = kcli.cluster.logs["t", 0]
    ((base, data),) = log.batches
    log.batches[0] = base, data[:-3] + b"!" + data[-2:]
    _, err, code = perf(kcli, "--topic t --num-records 10 --timeout 1000")
    assert "its CRC does not match its bytes" in err
    assert code == 1


def test_json(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(20))
    out, err, code = kcli("consumer-perf-test --topic t --num-records 20 --output json")
    document = json.loads(out)
    schema = json.loads((SCHEMAS / "consumer-perf-test.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["records"], document["bytes"], document["timed_out"]) == (20, 30, False)
    assert (err, code) == ("", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--topic t --num-records 0", "--num-records should be greater than zero."),
        ("--topic t --num-records 5 --reporting-interval 0", "Reporting interval must be greater than 0."),
        ("--topic t --num-records 5 --timeout -1", "--timeout is a number of milliseconds, 0 at least."),
        ("--topic t --num-records 5 --fetch-size 0", "--fetch-size should be greater than zero."),
        (
            "--topic t --num-records 5 --group g --command-property group.protocol=consumer",
            "group.protocol=consumer is not supported: this client is a member by the classic protocol only",
        ),
        ("--topic t --num-records 5 --date-format bb", "Illegal pattern character 'b'"),
        ("--include ( --num-records 5", "--include: '(' is not a regular expression"),
        ("--topic t --num-records 5 --consumer.config a --command-config b", 'Option "[consumer.config]" can\'t be'),
    ],
)
def test_what_makes_no_sense_is_refused_in_two_lines(kcli: Kcli, options: str, message: str) -> None:
    out, err, code = perf(kcli, options)
    assert err.startswith(message)
    assert (out, len(err.splitlines()) <= 2, code) == ([], True, 1)
