"""kcli storage beyond what its record holds: the files, byte for byte, and data for machines."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from kcli.formats import storage as files
from kcli.model import Credential, FirstVoter, Level, Meta
from server.records import batch
from tests.support.world import run

SCHEMA = json.loads((Path(__file__).parents[4] / "schemas/output/storage.schema.json").read_text())
CLUSTER = "8oKgTfwXTvOPGWGdX6gbcQ"
DIRECTORY = "GgGQxrlqSo-_UhJG915Zpg"
NOW_MS = 1_795_184_607_411
LEVELS = (
    Level("metadata.version", 30),
    Level("eligible.leader.replicas.version", 1),
    Level("group.version", 1),
    Level("share.version", 1),
    Level("streams.version", 1),
    Level("transaction.version", 2),
)
# Written by Apache Kafka 4.3.1: `StorageTool format -c node.properties`, and with --standalone as node 1.
KAFKA_BOOTSTRAP = base64.b64decode(
    "AAAAAAAAAAAAAABHAAAAAAJ7ZHVJACAAAAAAAAABoflXQLMAAAGh+VdAs///////////////////AAAAASoAAAAIAAAAAxYAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAQAAAPEAAAAAAkNB0uAAAAAAAAUAAAGh+VdA4wAAAaH5V0Dj//////////////////8AAAAGOgAAAAEu"
    "AQwAEW1ldGFkYXRhLnZlcnNpb24AHgAAWgAAAgFOAQwAIWVsaWdpYmxlLmxlYWRlci5yZXBsaWNhcy52ZXJzaW9uAAEAADQAAAQB"
    "KAEMAA5ncm91cC52ZXJzaW9uAAEAADQAAAYBKAEMAA5zaGFyZS52ZXJzaW9uAAEAADgAAAgBLAEMABBzdHJlYW1zLnZlcnNpb24A"
    "AQAAQAAACgE0AQwAFHRyYW5zYWN0aW9uLnZlcnNpb24AAgAAAAAAAAAAAAcAAAA/AAAAAAKXANqdACAAAAAAAAABoflXQOgAAAGh"
    "+VdA6P//////////////////AAAAARoAAAAIAAAABAYAAAAA"
)
KAFKA_FIRST_VOTERS = base64.b64decode(
    "AAAAAAAAAAAAAACaAAAAAALAJ5FvACAAAAACAAABoflXOtgAAAGh+Vc62P//////////////////AAAAAyoAAAAIAAAAAxYAAAAA"
    "AaH5VzrOAAAeAAACCAAAAAUKAAAAAQAAggEAAAQIAAAABm4AAAIAAAABGgGQxrlqSo+/UhJG915ZpgILQ09OVFJPTExFUgpsb2Nh"
    "bGhvc3QjhQAAAAABAAAAAAAAAAAAAAADAAAAPwAAAAACS1q9BwAgAAAAAAAAAaH5VzrmAAABoflXOub//////////////////wAA"
    "AAEaAAAACAAAAAQGAAAAAA=="
)
NODE = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
log.dirs=data
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "node.properties").write_text(NODE)
    return tmp_path


def storage(work: Path, *line: str) -> tuple[str, str, int]:
    return run(["storage", *line], None, work)


def without_times(data: bytes) -> bytes:
    """`data` with the times of its batches, and the checksums over them, set to zero."""
    clean = bytearray(data)
    for at, _ in batch.headers(data):
        clean[at + 17 : at + 21] = bytes(4)
        clean[at + 27 : at + 43] = bytes(16)
    return bytes(clean)


def write(work: Path, first: tuple[str, tuple[FirstVoter, ...]] | None = None) -> Path:
    files.write_directory(str(work / "d"), Meta(CLUSTER, 1, DIRECTORY), LEVELS, (), first, NOW_MS)
    return work / "d"


def test_the_bootstrap_checkpoint_is_kafkas(work: Path) -> None:
    assert without_times((write(work) / "bootstrap.checkpoint").read_bytes()) == without_times(KAFKA_BOOTSTRAP)


def test_the_checkpoint_of_the_first_voters_is_kafkas(work: Path) -> None:
    folder = write(work, ("CONTROLLER", (FirstVoter(1, "localhost", 9093, DIRECTORY),)))
    path = folder / "__cluster_metadata-0" / "00000000000000000000-0000000000.checkpoint"
    ours, kafkas = (without_times(data) for data in (path.read_bytes(), KAFKA_FIRST_VOTERS))
    # Its header holds a time as well, in the first record's value.
    time_at = slice(75, 83)
    assert ours[: time_at.start] + ours[time_at.stop :] == kafkas[: time_at.start] + kafkas[time_at.stop :]
    assert (work / "d" / "bootstrap.checkpoint").exists()


def test_meta_properties_are_as_kafka_writes_them(work: Path) -> None:
    lines = (write(work) / "meta.properties").read_text().splitlines()
    assert lines[0] == "#"
    assert re.fullmatch(r"#\w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}", lines[1])
    assert lines[2:] == ["node.id=1", f"directory.id={DIRECTORY}", "version=1", f"cluster.id={CLUSTER}"]


def test_what_was_written_is_read_back(work: Path) -> None:
    folder = write(work)
    assert files.read_meta(str(folder)) == Meta(CLUSTER, 1, DIRECTORY)
    assert files.read_meta(str(work)) is None


def test_credentials_are_in_the_bootstrap_checkpoint(work: Path) -> None:
    ann = Credential("ann", 1, b"salt", b"stored", b"server", 4096)
    files.write_directory(str(work / "d"), Meta(CLUSTER, 1, DIRECTORY), LEVELS[:1], (ann,), None, NOW_MS)
    data = (work / "d" / "bootstrap.checkpoint").read_bytes()
    values = [
        record.value or b""
        for at, head in batch.headers(data)
        if not head.is_control
        for record in batch.records(data, at)
    ]
    # Frame version 1, record 11 (UserScramCredentialRecord), version 0; compact strings and bytes; iterations; no tags.
    assert values[1] == b"\x01\x0b\x00\x04ann\x01\x05salt\x07stored\x07server" + (4096).to_bytes(4) + b"\0"


def test_nothing_is_written_when_one_directory_is_another_clusters(work: Path) -> None:
    (work / "node.properties").write_text(NODE.replace("=data", "=data,more"))
    storage(work, "format", "-t", "other", "-c", "node.properties")
    (work / "more" / "meta.properties").unlink()
    out, err, code = storage(work, "format", "-t", CLUSTER, "-c", "node.properties", "-g")
    assert (out, code) == ("", 1)
    assert err == f"Invalid cluster.id in: data/meta.properties. Expected {CLUSTER}, but read other\n"
    assert not (work / "more" / "meta.properties").exists()


def test_a_directory_that_cannot_be_written_is_told(work: Path) -> None:
    (work / "file").touch()
    (work / "node.properties").write_text(NODE.replace("=data", "=file/data"))
    out, err, code = storage(work, "format", "-t", CLUSTER, "-c", "node.properties")
    assert (out, err, code) == ("", "Error while writing meta.properties file file/data: Not a directory\n", 1)


def test_meta_properties_come_last(work: Path) -> None:
    """A directory that has them is taken for whole: what failed half way must not."""
    (work / "data" / "bootstrap.checkpoint").mkdir(parents=True)
    assert storage(work, "format", "-t", CLUSTER, "-c", "node.properties")[2] == 1
    assert not (work / "data" / "meta.properties").exists()


def test_only_files_where_directories_should_be_is_a_failure(work: Path) -> None:
    (work / "data").touch()
    _, err, code = storage(work, "format", "-t", CLUSTER, "-c", "node.properties")
    assert (err.splitlines()[0], code) == ("No available log directories to format.", 1)


def test_a_wrong_value_is_told_with_file_and_line(work: Path) -> None:
    (work / "node.properties").write_text(NODE + "log.retention.hours=soon\n")
    _, err, code = storage(work, "format", "-t", CLUSTER, "-c", "node.properties")
    assert code == 1
    assert err.startswith("node.properties:7: Invalid value soon for configuration log.retention.hours")
    assert not (work / "data").exists()


def test_arguments_may_come_from_a_file(work: Path) -> None:
    (work / "args").write_text("format\n-t\nfrom a file\n-c\nnode.properties\n")
    assert storage(work, "@args")[2] == 0
    assert "cluster.id=from a file" in (work / "data" / "meta.properties").read_text()
    assert storage(work, "@none")[1].splitlines()[0] == "Could not read arguments from file 'none'"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("format --no-such -t x", "unrecognized arguments: '--no-such'"),
        ("format -c node.properties -t", "argument --cluster-id/-t: expected one argument"),
        ("fromat", "invalid choice: 'fromat' (choose from 'info', 'format', "),
        ("format -c node.properties -t x word", "'word' is not understood here"),
        ("format -I a -N", "argument --no-initial-controllers/-N: not allowed with argument --initial-controllers/-I"),
    ],
)
def test_usage_errors_have_argparses_words(line: str, words: str, work: Path) -> None:
    out, err, code = storage(work, *line.split())
    assert (out, code) == ("", 1)
    assert err.startswith(words)
    assert "Try 'kcli storage" in err or "Did you mean format?" in err


def test_options_may_be_cut_short_and_repeated(work: Path) -> None:
    out, err, code = storage(work, "format", "--clu", "first", "--cluster-id=last", "--conf", "node.properties")
    assert (err, code) == ("", 0)
    assert "cluster.id=last" in (work / "data" / "meta.properties").read_text()
    assert out.endswith("Formatting metadata directory data with metadata.version 4.3-IV0.\n")


def lines() -> Iterator[str]:
    yield "random-uuid"
    yield "info -c node.properties"
    yield "format -c node.properties -t abc"
    yield "info -c node.properties"
    yield "format -c node.properties -t abc -g"
    yield "version-mapping -r 4.0"
    yield "feature-dependencies -f eligible.leader.replicas.version=1 -f kraft.version=1"


def test_data_keeps_to_its_schema(work: Path) -> None:
    for line in lines():
        out, err, code = storage(work, *line.split(), "--output", "json")
        assert (err, code) == ("", 1 if "does not exist" in out else 0), line
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(out))


def test_a_thousand_ids_are_ids(work: Path) -> None:
    """KIP-516: never one of the low, reserved ones; and a command line must not take one for an option."""
    from kcli.formats import new_id

    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", each) for each in ids)
