"""kcli e2e-latency as a process, against a small cluster; its words are in tests/golden/records/e2e-latency.record."""

import json
import signal

import jsonschema

from tests.support.consoles import SCHEMAS, SECONDS, Kcli, fill, numbers
from tests.support.log_broker import STALL
from tests.support.waiting import until

LINE = "e2e-latency --topic t --producer-acks 1 --record-size 10"


def test_every_record_comes_back(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(5))  # what is there already is not read
    out, err, code = kcli(f"{LINE} --num-records 7")
    assert [line.split()[0] for line in out.decode().splitlines()] == ["0", "Avg", "Percentiles:"]
    assert (err, code) == ("", 0)
    assert len(kcli.cluster.values()) == 12


def test_json(kcli: Kcli) -> None:
    out, err, code = kcli(f"{LINE} --num-records 7 --output json")
    document = json.loads(out)
    schema = json.loads((SCHEMAS / "e2e-latency.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert (document["records"], err, code) == (7, "", 0)


def test_a_record_of_somebody_else_ends_the_run(kcli: Kcli) -> None:
    with kcli.running(f"{LINE} --num-records 1000000") as process:
        until(lambda: len(kcli.cluster.values()) > 10, SECONDS, "some records")
        with kcli.cluster.lock:
            fill(kcli.cluster, (None, b"foreign"))
        _, err = process.communicate(timeout=SECONDS)
    assert err.decode().splitlines()[0] in (
        "The record that was read is not the one that was sent",
        "Only one result was expected during this test. We found [2]",
    )
    assert process.returncode == 1


def test_a_record_that_is_refused_ends_the_run(kcli: Kcli) -> None:
    kcli.cluster.troubles = [None, 29]
    out, err, code = kcli(f"{LINE} --num-records 5")
    assert out.startswith(b"0\t")
    assert err.splitlines()[-1] == "4 of 5 records were not read back."
    assert code == 1


def test_a_signal_ends_it(kcli: Kcli) -> None:
    kcli.cluster.troubles = [None, None, STALL]
    with kcli.running(f"{LINE} --num-records 50") as process:
        until(lambda: kcli.cluster.produce_requests >= 3, SECONDS, "the third request")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert b"Avg latency" in out
    assert err.decode().endswith("48 of 50 records were not read back.\n")
    assert process.returncode == 130
