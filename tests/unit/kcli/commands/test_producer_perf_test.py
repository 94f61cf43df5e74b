"""kcli producer-perf-test as a process, against a small cluster that may misbehave.

What it prints where Kafka's tool prints the same is in tests/golden/records/perf.record.
"""

import json
import re
import signal

import jsonschema
import pytest

from kcli.commands.producer_perf_test import _repeated
from tests.support.consoles import SCHEMAS, SECONDS, Kcli
from tests.support.log_broker import DROP, LOSE, MOVE
from tests.support.waiting import until

TOPIC_AUTHORIZATION_FAILED = 29
QUICK = "--command-property retry.backoff.ms=1 reconnect.backoff.ms=1 retry.backoff.max.ms=5 acks=all"
LINE = re.compile(r"^(\d+) records sent, ")


def perf(kcli: Kcli, options: str) -> tuple[str, str, int]:
    out, err, code = kcli(f"producer-perf-test --topic t {options}")
    return out.decode(), err, code


def test_all_records_are_there(kcli: Kcli) -> None:
    out, err, code = perf(kcli, "--num-records 2345 --record-size 77")
    assert LINE.match(out)[1] == "2345"  # type: ignore[index]
    assert (err, code) == ("", 0)
    values = kcli.cluster.values()
    assert (len(values), {len(value or b"") for value in values}) == (2345, {77})


@pytest.mark.parametrize("trouble", [DROP, LOSE, MOVE])
def test_a_run_goes_on_through_troubles_without_loss_or_duplicate(kcli: Kcli, trouble: str) -> None:
    kcli.cluster.troubles = [None, None, trouble, None, trouble]
    out, _, code = perf(kcli, f"--num-records 3000 --payload-monotonic {QUICK} batch.size=500")
    assert code == 0
    assert LINE.match(out)[1] == "3000"  # type: ignore[index]
    assert kcli.cluster.values() == [b"%d" % number for number in range(3000)]


def test_records_that_are_refused_are_counted_and_make_the_exit_code_1(kcli: Kcli) -> None:
    kcli.cluster.troubles = [None, TOPIC_AUTHORIZATION_FAILED]
    out, err, code = perf(kcli, f"--num-records 100 --record-size 100 {QUICK} batch.size=1200 enable.idempotence=false")
    sent = int(LINE.match(out)[1])  # type: ignore[index]
    assert 0 < sent < 100
    assert len(kcli.cluster.values()) == sent
    assert err.splitlines()[-1] == f"{100 - sent} of 100 records were not sent."
    assert code == 1


def test_a_record_that_the_broker_takes_for_too_large_fails(kcli: Kcli) -> None:
    kcli.cluster._max_message_bytes = 500
    out, err, code = perf(kcli, f"--num-records 3 --record-size 600 {QUICK}")
    assert out.startswith("0 records sent, ")
    assert err.splitlines() == [
        "The request included a message larger than the max message size the server will accept.",
        "3 of 3 records were not sent.",
    ]
    assert code == 1


def test_brokers_that_vanish_end_the_run_with_what_there_was(kcli: Kcli) -> None:
    limits = "request.timeout.ms=200 linger.ms=0 delivery.timeout.ms=400 max.block.ms=300 batch.size=2000"
    line = f"producer-perf-test --topic t --num-records 100000 --throughput 2000 {QUICK} {limits} buffer.memory=20000"
    with kcli.running(line) as process:
        until(lambda: len(kcli.cluster.values()) > 100, SECONDS, "some records")
        kcli.cluster.__exit__(None, None, None)
        out, err = process.communicate(timeout=SECONDS)
    sent = int(LINE.match(out.decode())[1])  # type: ignore[index]
    assert sent >= 100
    assert err.decode().splitlines()[-1] == f"{100_000 - sent} of 100000 records were not sent."
    assert process.returncode == 1


def test_a_signal_ends_the_run_with_what_there_was(kcli: Kcli) -> None:
    with kcli.running("producer-perf-test --topic t --num-records 100000 --throughput 500") as process:
        until(lambda: len(kcli.cluster.values()) > 10, SECONDS, "some records")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert LINE.match(out.decode())
    assert err.decode().endswith(" of 100000 records were not sent.\n")
    assert process.returncode == 130


def test_a_topic_that_is_missing_is_not_made(kcli: Kcli) -> None:
    out, err, code = kcli("producer-perf-test --num-records 5")
    assert (out, code) == (b"", 1)
    assert err.splitlines() == [
        "Topic perf-test does not exist",
        "Create it with 'kcli topics --create --topic perf-test'.",
    ]


def test_several_producers_share_the_records(kcli: Kcli) -> None:
    out, err, code = perf(kcli, "--num-records 1001 --payload-monotonic --producers 3 --warmup-records 100")
    assert (err, code) == ("", 0)
    assert [line.split(" records")[0] for line in out.splitlines()[1:]] == ["1001", "901 steady state"]
    assert sorted(kcli.cluster.values(), key=lambda value: int(value or b"")) == [b"%d" % n for n in range(1001)]


def test_a_signal_ends_several_producers_with_what_there_was(kcli: Kcli) -> None:
    with kcli.running("producer-perf-test --topic t --num-records 100000 --throughput 500 --producers 2") as process:
        until(lambda: len(kcli.cluster.values()) > 10, SECONDS, "some records")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=SECONDS)
    assert LINE.match(out.decode())
    assert err.decode().endswith(" of 100000 records were not sent.\n")
    assert process.returncode == 143


def test_topics_keys_headers_and_sizes(kcli: Kcli) -> None:
    line = "producer-perf-test --topic t,two --num-records 400 --record-size 5 --record-size-max 9 --keys 4 --headers 2"
    _, err, code = kcli(line)
    assert (err, code) == ("", 0)
    one, two = ([value or b"" for value in kcli.cluster.values(name)] for name in ("t", "two"))
    assert len(one) + len(two) == 400
    assert {len(value) for value in one + two} == {5, 6, 7, 8, 9}


def test_json(kcli: Kcli) -> None:
    out, err, code = perf(kcli, "--num-records 500 --throughput 5000 --warmup-records 100 --output json")
    document = json.loads(out)
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / "producer-perf-test.schema.json").read_text())).validate(
        document
    )
    assert (document["records"], document["failed"], document["steady"]["records"]) == (500, 0, 400)
    assert sum(count for _, count in document["histogram"]["counts"]) == 500
    assert sum(row["records"] for row in document["series"]) == 500
    assert err.startswith("Warmup first 100 records.")
    assert code == 0


def test_settings_that_are_not_known_are_told(kcli: Kcli) -> None:
    _, err, code = perf(kcli, "--num-records 5 --command-property foo=1 linger.ms=0")
    assert (err, code) == ("The producer does not know the setting 'foo'; it is ignored\n", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--num-records 5 --throughput 0", "--throughput 0 would send nothing, ever. Use -1 for no limit."),
        ("--num-records 5 --throughput nan", "argument --throughput: could not convert 'nan' to Double"),
        ("--num-records 5 --record-size 2000000000", "--record-size is above 1073741824."),
        ("--num-records 5 --record-size 99999999999", "argument --record-size: could not convert '99999999999'"),
        ("--num-records 99999999999999999999", "argument --num-records: could not convert"),
        ("--num-records 5 --producers 0", "--producers is a number from 1 to 64."),
        ("--num-records 5 --producers 6", "--producers is above the number of records."),
        ("--num-records 5 --keys -1", "--keys is a number from 0 to 1048576."),
        ("--num-records 5 --record-size 9 --record-size-max 8", "--record-size-max goes with --record-size"),
        ("--num-records 5 --transactional-id x", "Transactions are not supported yet"),
        ("--num-records 5 --command-property acks=2", "Invalid value 2 for configuration acks"),
        ("--num-records 5 --command-property transactional.id=x", "transactional.id=x is not supported"),
        ("--num-records 5 --payload-file nowhere", "File does not exist or empty file provided."),
        ("--num-records 5 --payload-delimiter ( --payload-file {file}", "--payload-delimiter is not a regular"),
    ],
)
def test_what_makes_no_sense_is_refused_in_two_lines(kcli: Kcli, options: str, message: str) -> None:
    _, err, code = perf(kcli, options.replace("{file}", __file__))
    assert err.startswith(message)
    assert len(err.splitlines()) <= 2
    assert code == 1
    assert kcli.cluster.values() == []


def test_an_option_of_properties_takes_the_words_up_to_the_next_option() -> None:
    line = "--topic t --producer-props a=1 b=2 --num-records 5 --command-property=c=3 d=4 -x"
    assert _repeated(line.split()) == [
        *("--topic", "t", "--producer-props", "a=1", "--producer-props", "b=2", "--num-records", "5"),
        *("--command-property=c=3", "d=4", "-x"),
    ]
