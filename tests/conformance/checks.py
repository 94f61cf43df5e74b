"""What `python -m tests.conformance` checks: a table of names and functions; a check that returns has passed.

Each takes a Bench, which starts brokers and makes folders when they are first asked for, and returns a few words for
the table. AssertionError is a difference.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from tests.conformance.mixed import Arrangement, Mixed
from tests.conformance.recording import RECORDS
from tests.support import kafka, records
from tests.support.broker import Broker, kcli
from tests.support.nodes import Node
from tests.support.places import place_for

Done = subprocess.CompletedProcess[bytes]


class Bench:
    def __init__(self, folder: Path, disk: Path | None = None) -> None:
        self.folder, self.disk = folder, disk
        self.stack = ExitStack()
        self._mixed: dict[str, Mixed] = {}

    @cached_property
    def ours(self) -> Node:
        return self.stack.enter_context(Broker(self.folder / "ours"))

    @cached_property
    def theirs(self) -> Node:
        return self.stack.enter_context(kafka.KafkaBroker(self.folder / "theirs"))

    def mixed(self, arrangement: Arrangement) -> Mixed:
        """The mixed cluster of an arrangement: one for all of its steps."""
        if arrangement.name not in self._mixed:
            folder = self.folder / f"mixed-{len(self._mixed)}"
            self._mixed[arrangement.name] = cluster = Mixed(folder, arrangement)
            self.stack.push(cluster.stack)
        return self._mixed[arrangement.name]

    def moved(self, kind: type[Node], name: str, data: Path) -> Node:
        """A node of `kind` that starts on a copy of `data`."""
        node = kind(self.folder / name)
        shutil.copytree(data, node.data)
        node.start()
        self.stack.callback(node.stop)
        return node


def say(tool: str, *args: str, node: Node, stdin: bytes = b"") -> str:
    """Run Kafka's tool against `node`; it has to succeed. Returns its standard output."""
    done = kafka.tool(tool, "--bootstrap-server", node.bootstrap, *args, stdin=stdin)
    assert done.returncode == 0, f"kafka-{tool} {' '.join(args)}: exit {done.returncode}\n{_tail(done)}"
    return done.stdout.decode()


def same_as_recorded(name: str) -> Callable[[Bench], str]:
    """Kafka's tool cannot tell our broker from Kafka's: each call of a record prints the same."""

    def check(bench: Bench) -> str:
        return _replay(
            name, Broker, lambda work: lambda tool, args, stdin: kafka.tool(tool, *args, stdin=stdin, cwd=work), True
        )

    return check


def kcli_as_recorded(name: str) -> Callable[[Bench], str]:
    """kcli prints against Kafka's broker what Kafka's tool printed there."""

    def check(bench: Bench) -> str:
        return _replay(
            name,
            kafka.KafkaBroker,
            lambda work: lambda tool, args, stdin: kcli(tool, *args, stdin=stdin, cwd=work),
            False,
        )

    return check


def _replay(name: str, kind: type[Node], runner: Callable[[Path], records.Run], javas: bool) -> str:
    text = (RECORDS / f"{name}.record").read_text()
    steps = records.parse(text)
    wrong: list[str] = []
    with place_for(text, kind) as place:
        for step, got in records.play(steps, place, runner(place.work)):
            if got and step.kafka and (problems := _compare(step, got) if javas else records.complaints(step, got)):
                wrong.append(f"{step.words}: {'; '.join(problems)}\n{got.out}{got.err}(exit {got.exit})")
    assert not wrong, f"{len(wrong)} of {len(steps)} calls differ\n" + "\n".join(wrong)
    return f"{len(steps)} calls"


def _compare(step: records.Step, got: records.Printed) -> list[str]:
    assert step.kafka
    pairs = {
        "standard output": (step.kafka.out, got.out),
        "messages": (records.message_lines(step.kafka), records.message_lines(got)),
        "exit code": (step.kafka.exit, got.exit),
    }
    return [f"{what} was {was!r}" for what, (was, now) in pairs.items() if was != now]


def perf_test(bench: Bench) -> str:
    say("topics", "--create", "--topic", "perf", "--partitions", "2", node=bench.ours)
    done = kafka.tool(
        "producer-perf-test",
        *("--topic", "perf", "--num-records", "50000", "--record-size", "200", "--throughput", "-1"),
        *("--bootstrap-server", bench.ours.bootstrap),
    )
    out = done.stdout.decode()
    assert done.returncode == 0, _tail(done)
    assert "50000 records sent" in out, out
    ends = say("get-offsets", "--topic", "perf", node=bench.ours).split()
    assert sum(int(line.rpartition(":")[2]) for line in ends) == 50_000, ends
    return out.strip().splitlines()[-1].split(",")[1].strip()


def configs(bench: Bench) -> str:
    node = bench.ours
    say("topics", "--create", "--topic", "conf", node=node)
    entity = ("--entity-type", "topics", "--entity-name", "conf")
    out = say("configs", "--alter", "--add-config", "retention.ms=1000,cleanup.policy=compact", *entity, node=node)
    assert out == "Completed updating config for topic conf.\n", out
    out = say("configs", "--describe", *entity, node=node)
    assert "  retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000}\n" in out, out
    say("configs", "--alter", "--delete-config", "retention.ms", *entity, node=node)
    assert "retention.ms" not in say("configs", "--describe", *entity, node=node)
    everything = say("configs", "--describe", "--all", *entity, node=node)
    ours, theirs = _names(everything), _names(say_theirs(bench))
    assert ours == theirs, f"missing {sorted(theirs - ours)}, more {sorted(ours - theirs)}"
    broker = say("configs", "--describe", "--all", "--entity-type", "brokers", "--entity-name", "0", node=node)
    return f"{len(ours)} topic settings, {len(_names(broker))} of the broker"


def say_theirs(bench: Bench) -> str:
    """All settings of a topic, as Kafka's own broker describes them."""
    say("topics", "--create", "--if-not-exists", "--topic", "conf", node=bench.theirs)
    entity = ("--entity-type", "topics", "--entity-name", "conf")
    return say("configs", "--describe", "--all", *entity, node=bench.theirs)


def _names(told: str) -> set[str]:
    return {line.strip().partition("=")[0] for line in told.splitlines() if line.startswith("  ")}


def other_tools(bench: Bench) -> str:
    node = bench.ours
    say("topics", "--create", "--topic", "other", node=node)
    say("console-producer", "--topic", "other", node=node, stdin=b"a\nb\nc\n")
    document = bench.folder / "delete.json"
    document.write_text('{"partitions": [{"topic": "other", "partition": 0, "offset": 2}], "version": 1}')
    deleted = say("delete-records", "--offset-json-file", str(document), node=node)
    assert "partition: other-0\tlow_watermark: 2" in deleted, deleted
    assert say("get-offsets", "--topic", "other", "--time", "earliest", node=node) == "other:0:2\n"
    folders = say("log-dirs", "--describe", "--topic-list", "other", node=node)
    assert '"partition":"other-0"' in folders, folders
    status = kafka.tool("metadata-quorum", "--bootstrap-server", node.bootstrap, "describe", "--status")
    assert b"LeaderId:               0" in status.stdout, _tail(status)
    done = kafka.tool("cluster", "cluster-id", "--bootstrap-server", node.bootstrap)
    assert done.returncode == 0, _tail(done)
    return "delete-records, get-offsets, log-dirs, metadata-quorum, cluster"


def dump_log(bench: Bench) -> str:
    """Kafka's dump tool reads every file that our broker wrote, and finds nothing wrong in it."""
    node = Broker(bench.folder / "dumped", {"log.segment.bytes": "1048576", "log.index.interval.bytes": "1024"})
    with node:
        for number in range(3):
            say(
                "console-producer",
                *("--topic", "dumped", "--compression-codec", ("none", "zstd", "lz4")[number]),
                node=node,
                stdin=b"".join(b"%06d %s\n" % (line, b"x" * 200) for line in range(4000)),
            )
    counts: dict[str, int] = {}
    for path in sorted((node.data / "dumped-0").iterdir()):
        if path.suffix in (".log", ".index", ".timeindex", ".snapshot", ".txnindex"):
            out = _dumped(path, "--deep-iteration" if path.suffix == ".log" else "--index-sanity-check")
            counts[path.suffix] = counts.get(path.suffix, 0) + out.count("\n|" if path.suffix == ".log" else "\n")
    assert counts[".log"] == 12_000, counts
    metadata = node.data / "__cluster_metadata-0"
    for path in [*metadata.glob("*.log"), *metadata.glob("*.checkpoint"), node.data / "bootstrap.checkpoint"]:
        assert path.stat().st_size == 0 or _dumped(path, "--cluster-metadata-decoder").count("payload") >= 1
    return ", ".join(f"{count} in {suffix}" for suffix, count in counts.items())


def _dumped(path: Path, *options: str) -> str:
    done = kafka.tool("dump-log", "--files", str(path), *options)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, f"{path}: {_tail(done)}"
    assert not err.strip(), f"{path}: {err}"
    for bad in ("isvalid: false", "invalid bytes", "Mismatches", "mismatch", "Found timestamp", "corrupt"):
        assert bad not in out, f"{path}: {bad}\n{out[-1500:]}"
    return out


def unpacked(bench: Bench) -> Path:
    """The data folder given by --disk: a folder, or an archive of one."""
    assert bench.disk
    if bench.disk.is_dir():
        return bench.disk
    target = bench.folder / "disk"
    with tarfile.open(bench.disk) as archive:
        archive.extractall(target, filter="data")
    return next(path.parent for path in sorted(target.rglob("meta.properties")))


def _tail(done: Done) -> str:
    return (done.stdout + done.stderr).decode(errors="replace")[-2000:]
