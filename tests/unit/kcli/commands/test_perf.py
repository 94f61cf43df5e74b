"""kcli perf as a process, against a small cluster."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.consoles import SCHEMAS, Kcli, fill, numbers

SCHEMA = json.loads((SCHEMAS / "perf.schema.json").read_text())


@pytest.fixture
def results(kcli: Kcli, tmp_path: Path) -> tuple[str, str]:
    """The files of two runs."""
    paths = []
    for number in range(2):
        out, _, code = kcli("producer-perf-test --topic t --num-records 300 --output json --reporting-interval 1")
        assert code == 0
        paths.append(str(tmp_path / f"run{number}.json"))
        Path(paths[-1]).write_bytes(out)
    return paths[0], paths[1]


def local(kcli: Kcli, *words: str) -> tuple[str, str, int]:
    """A command that asks no broker."""
    done = kcli._calls.kcli(["perf", *words], b"", kcli._work, seconds=20)
    return done.stdout.decode(), done.stderr.decode(), done.returncode


def test_compare(kcli: Kcli, results: tuple[str, str]) -> None:
    out, err, code = local(kcli, "compare", *results)
    assert [line.split("  ")[0] for line in out.splitlines()[1:3]] == ["records/s", "MB/s"]
    assert (err, code) == ("", 0)
    out, err, code = local(kcli, "compare", *results, "--output", "json")
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


def test_plot(kcli: Kcli, results: tuple[str, str]) -> None:
    out, err, code = local(kcli, "plot", results[0])
    assert "MB/s over" in out
    assert "\nLatency, ms\n" in out
    assert (err, code) == ("", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Unable to read file"),
        ("{", "{path} is not JSON"),
        ("{}", "{path} is not what it should be"),
        ('{"tool": "producer-perf-test"}', "{path} is not what it should be"),
    ],
)
def test_a_file_that_is_no_result_is_refused(kcli: Kcli, tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    _, err, code = local(kcli, "plot", str(path))
    assert err.startswith(message.replace("{path}", str(path)))
    assert code == 1


def test_runs_of_two_tools_are_not_compared(kcli: Kcli, results: tuple[str, str], tmp_path: Path) -> None:
    out, _, _ = kcli("consumer-perf-test --topic t --num-records 300 --output json")
    (tmp_path / "read.json").write_bytes(out)
    _, err, code = local(kcli, "compare", results[0], str(tmp_path / "read.json"))
    assert "Only runs of one tool are comparable." in err
    assert code == 1


def test_a_sweep_runs_every_combination(kcli: Kcli) -> None:
    options = "--num-records 50 --record-size 100 --compressions none,zstd --acks 1,all --batch-sizes 1000,5000"
    out, err, code = kcli(f"perf sweep --topic t {options} --output json")
    document = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert [(row["compression"], row["acks"], row["batch_size"], row["records"]) for row in document["runs"]] == [
        (codec, acks, size, 50) for codec in ("none", "zstd") for acks in ("1", "all") for size in (1000, 5000)
    ]
    assert (len(err.splitlines()), code) == (8, 0)
    assert len(kcli.cluster.values()) == 400


def test_a_mixed_run_reads_what_it_writes(kcli: Kcli) -> None:
    fill(kcli.cluster, *numbers(5))
    out, err, code = kcli("perf mixed --topic t --num-records 400 --throughput 2000 --record-size 30 --output json")
    document = json.loads(out)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["records"], document["failed"], document["foreign"]) == (400, 0, 0)
    assert sum(count for _, count in document["histogram"]["counts"]) == 400
    assert (err, code) == ("", 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sweep --topic t --acks 2", "--acks: '2' is none of 0, 1, all, -1."),
        ("sweep --topic t --batch-sizes ,", "--batch-sizes: ',' is none of what it takes."),
        ("sweep --topic t --batch-sizes 1x", "--batch-sizes: '1x' is no number of bytes."),
        ("sweep --topic t --num-records 0", "--num-records should be greater than zero."),
        ("mixed --topic t --throughput 0", "--throughput is a number of records a second, -1 for no limit."),
        ("mixed --topic t --record-size 7", "--record-size is 8 at least"),
        ("mixed --topic absent --num-records 5", "Topic absent does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_in_two_lines(kcli: Kcli, line: str, message: str) -> None:
    out, err, code = kcli(f"perf {line}")
    assert err.startswith(message)
    assert (out, len(err.splitlines()) <= 2, code) == (b"", True, 1)
