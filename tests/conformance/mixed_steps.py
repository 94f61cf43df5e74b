"""The steps that a mixed cluster is walked through, in their order: STEPS. Each returns what it saw, or raises."""

from collections.abc import Callable, Sequence

from tests.conformance import mixed_logs, mixed_moves
from tests.conformance.checks import Bench
from tests.conformance.mixed import ARRANGEMENTS, MAX_BOUNCES, OURS, THEIRS, WAIT_S, Arrangement, Member, Mixed, Step
from tests.support.clients import consume, produce
from tests.support.waiting import until
from tests.support.workload import Workload

ROUND = 200  # records acknowledged between two events of a step under load
JAVA_ROUND = 20
PARTITIONS = 3
MAX_FILLERS = 400  # topics made so that snapshots are due
SNAPSHOT_S = 150.0  # Apache Kafka looks for old snapshots once a minute


def starts(cluster: Mixed) -> str:
    cluster.up()
    return f"{len(cluster.running)} nodes registered and unfenced, as each of them tells it"


def is_one_quorum(cluster: Mixed) -> str:
    active = cluster.wait_controller()

    def all_vote() -> bool:
        told = [cluster.status(node) for node in cluster.running]
        return all(len(each["currentVoters"]) == len(cluster.nodes) and not each["currentObservers"] for each in told)

    until(all_vote, WAIT_S, "every node to be a voter")
    until(lambda: int(cluster.status()["maxFollowerLag"]) == 0, WAIT_S, "the followers to have all of the log")
    return f"{len(cluster.nodes)} voters, led by {_named(active)}, followers without lag"


def voters_change(cluster: Mixed) -> str:
    """A voter of each kind is removed by the other side's tool and controller, and joins again by itself."""
    if not cluster.arrangement.dynamic:
        return "not asked: the voters are static"
    for kind, tool in ((THEIRS, cluster.kcli), (OURS, cluster.java)):
        active = cluster.enthrone(THEIRS if kind == OURS else OURS)
        node = cluster.of(kind)
        (found,) = [each for each in cluster.status()["currentVoters"] if each["id"] == node.node_id]
        named = ("--controller-id", str(node.node_id), "--controller-directory-id", found["directoryId"])
        tool("metadata-quorum", "remove-controller", *named)
        sets = mixed_logs.metadata_log(active).voter_sets()
        assert any(node.node_id not in each for each in sets[-2:]), f"{_named(node)} was not removed: {sets}"
        is_one_quorum(cluster)
    return "one of each kind removed by the other side's tool and controller, and joined again"


def votes_cross(cluster: Mixed) -> str:
    wanted = {(OURS, THEIRS), (THEIRS, OURS)}
    several = max((OURS, THEIRS), key=cluster.arrangement.kinds.count)
    for _ in range(MAX_BOUNCES):
        if wanted <= cluster.votes:
            return "ours elected by Apache Kafka's vote, Apache Kafka's by ours"
        cluster.dethrone(cluster.enthrone(several))
    raise TimeoutError(f"only these were elected by the other side: {sorted(cluster.votes)}")


def reign(kind: str) -> Step:
    """Topics made and records written and read through every node, while one of `kind` is the active controller."""

    def step(cluster: Mixed) -> str:
        active = cluster.enthrone(kind)
        made = [cluster.create(node, "reign", PARTITIONS) for node in cluster.nodes]
        cluster.wait_in_sync(made)
        led = {leader for name in made for leader in cluster.leaders(name).values()}
        assert led == {node.node_id for node in cluster.nodes}, f"leaders are on {led} only"
        _write_and_read(cluster, made[0])
        cluster.wait_in_sync(made)
        return f"{_named(active)} leads; {len(made)} topics made, written and read through every node, in sync"

    return step


def _write_and_read(cluster: Mixed, topic: str) -> None:
    expected: dict[int, list[bytes]] = {number: [] for number in range(PARTITIONS)}
    for node in cluster.nodes:
        for number, values in expected.items():
            batch = [b"%d-%d-%d" % (node.node_id, number, i) for i in range(ROUND)]
            sent = produce(node.bootstrap, topic, batch, partition=number, config={"acks": "all"})
            assert not sent.errors, f"{_named(node)}: {sent.errors}"
            values += batch
    for node in cluster.nodes:
        for number, values in expected.items():
            got = [record.value for record in consume(node.bootstrap, topic, partition=number)]
            assert got == values, f"{topic}-{number} through {_named(node)}: {len(got)} of {len(values)}, or others"


def java_clients(cluster: Mixed) -> str:
    """Kafka's console tools write and read through every node."""
    topic = cluster.create(cluster.nodes[0], "java", 1)
    for node in cluster.nodes:
        lines = b"".join(b"java-%d-%d\n" % (node.node_id, i) for i in range(JAVA_ROUND))
        cluster.java("console-producer", "--topic", topic, "--command-property", "acks=all", node=node, stdin=lines)
    count = JAVA_ROUND * len(cluster.nodes)
    reading = ("--topic", topic, "--partition", "0", "--offset", "earliest", "--max-messages", str(count))
    for node in cluster.nodes:
        out = cluster.java("console-consumer", *reading, "--timeout-ms", "20000", node=node)
        assert len(out.split()) == count, f"{_named(node)}: {len(out.split())} of {count} records"
    return f"{count} records through each of {len(cluster.nodes)} nodes"


def kill(kind: str) -> Step:
    """kill -9 of a leader of `kind`, under load."""

    def step(cluster: Mixed) -> str:
        return _under_load(cluster, kind, Member.kill, "killed")

    return step


def leave(kind: str) -> Step:
    """A node of `kind` stops cleanly, under load, while the other side has the active controller."""

    def step(cluster: Mixed) -> str:
        cluster.enthrone(THEIRS if kind == OURS else OURS)
        return _under_load(cluster, kind, _stop_cleanly, "stopped cleanly")

    return step


def _stop_cleanly(node: Member) -> None:
    node.stop()
    assert (node.data / ".kafka_cleanshutdown").exists(), f"{_named(node)} did not stop cleanly"


def _under_load(cluster: Mixed, kind: str, strike: Callable[[Member], object], what: str) -> str:
    topic = cluster.create(cluster.nodes[0], "load", PARTITIONS)
    cluster.wait_in_sync([topic])
    victim = next(node for node in cluster.nodes if node.kind == kind and node.node_id in _led(cluster, topic))
    ruled = cluster.wait_controller() is victim
    load = Workload(cluster.bootstrap, topic, PARTITIONS, producers=1, value_bytes=200)
    load.start()
    try:
        _goes_on(load, "before the stop")
        strike(victim)
        until(lambda: not _led(cluster, topic) & {victim.node_id, -1}, WAIT_S, "other leaders")
        _goes_on(load, f"after {_named(victim)} was {what}")
        victim.start()
        cluster.wait_unfenced()
        cluster.wait_in_sync([topic])
        _goes_on(load, "after its return")
    finally:
        load.stop()
    anomalies = load.judge()
    assert not anomalies, f"{len(anomalies)} anomalies: {anomalies[:3]}"
    rank = ", the active controller," if ruled else ""
    return f"{_named(victim)}{rank} {what}: leaders moved, {load.acknowledged} acknowledged records are there"


def _led(cluster: Mixed, topic: str) -> set[int]:
    return set(cluster.leaders(topic).values())


def _goes_on(load: Workload, when: str) -> None:
    goal = load.acknowledged + ROUND
    until(lambda: load.acknowledged >= goal, WAIT_S, f"{ROUND} acknowledgements {when}")


def snapshot_for(kind: str) -> Step:
    """A node of `kind` returns after the other side's controller dropped the log that it would need."""

    def step(cluster: Mixed) -> str:
        active = cluster.enthrone(THEIRS if kind == OURS else OURS)
        node = cluster.of(kind)
        node.stop()
        end = mixed_logs.metadata_log(node).end
        fillers = 0

        def dropped() -> bool:
            nonlocal fillers
            if fillers < MAX_FILLERS:
                cluster.create(active, "filler", 1, 1)
                fillers += 1
            kept = active.checkpoints()
            return bool(kept) and int(kept[0].partition("-")[0]) > end

        until(dropped, SNAPSHOT_S, f"{_named(active)} to drop its log up to {end}")
        node.start()
        cluster.wait_unfenced()
        start = mixed_logs.metadata_log(node).start
        assert start > end, f"{_named(node)} has its log from {start} on, and had it up to {end}: no snapshot came"
        cluster.wait_in_sync()
        return f"{_named(node)} had {end} records of metadata, and goes on at {start} with {_named(active)}'s snapshot"

    return step


def described_alike(cluster: Mixed) -> str:
    told: dict[str, list[str]] = {}
    for node in cluster.nodes:
        told[f"kcli at {_named(node)}"] = sorted(cluster.kcli("topics", "--describe", node=node).splitlines())
        told[f"Kafka's tool at {_named(node)}"] = sorted(cluster.java("topics", "--describe", node=node).splitlines())
    _same("topics --describe", told)
    quorum = ("metadata-quorum", "describe", "--status")
    told = {}
    for node in cluster.nodes:
        told[f"kcli at {_named(node)}"] = _still(cluster.kcli(*quorum, node=node))
        told[f"Kafka's tool at {_named(node)}"] = _still(cluster.java(*quorum, node=node))
    _same("metadata-quorum describe --status", told)
    return f"topics and quorum, by both tools, asked of {len(cluster.nodes)} nodes"


def _still(status: str) -> list[str]:
    """A status without what grows all the time."""
    moving = ("HighWatermark:", "MaxFollowerLag:", "MaxFollowerLagTimeMs:")
    return [line for line in status.splitlines() if not line.startswith(moving)]


def _same(what: str, told: dict[str, list[str]]) -> None:
    first, *others = told
    for other in others:
        differing = sorted(set(told[first]) ^ set(told[other]))
        assert not differing, f"{what}: {first} and {other} differ in {differing[:4]}"


def replicas_alike(cluster: Mixed) -> str:
    """After quiet, replicas are the same bytes over [log start, end)."""
    cluster.wait_in_sync()
    until(lambda: not mixed_logs.differing_replicas(cluster.nodes, cluster.topics), WAIT_S, "equal replicas")
    logs = mixed_logs.replicas(cluster.nodes, cluster.topics)
    size = sum(sum(map(len, copies[0].batches.values())) for copies in logs.values())
    return f"{len(logs)} partitions on {len(cluster.nodes)} nodes, {size} bytes each"


def stops(cluster: Mixed) -> str:
    """Ours last: Apache Kafka's node does not stop while there is no quorum that could give it leave."""
    for node in sorted(cluster.nodes, key=lambda node: node.kind == OURS):
        node.stop()
    return "one after the other, Apache Kafka's first"


def metadata_logs_alike(cluster: Mixed) -> str:
    logs = [mixed_logs.metadata_log(node) for node in cluster.nodes]
    low, high = max(log.start for log in logs), min(log.end for log in logs)
    first = logs[0].part(low, high)
    assert first, f"no metadata in common: {[(log.start, log.end) for log in logs]}"
    for node, log in zip(cluster.nodes[1:], logs[1:], strict=True):
        assert log.part(low, high) == first, f"the metadata logs of nodes 0 and {node.node_id} differ"
    read = 0
    for node, log in zip(cluster.nodes, logs, strict=True):
        ours, theirs = log.metadata_records(), mixed_logs.dumped_records(node)
        assert ours == theirs, f"{_named(node)}: {sorted(set(ours) ^ set(theirs))[:4]} are read by one side only"
        read += len(ours)
    return f"the same batches over [{low}, {high}); {read} records read alike by our reader and Kafka's"


def _named(node: Member) -> str:
    return f"{node.kind} node {node.node_id}"


STEPS: Sequence[tuple[str, Step]] = (
    ("starts", starts),
    ("is one quorum", is_one_quorum),
    ("votes cross", votes_cross),
    ("voters change", voters_change),
    ("a controller of ours", reign(OURS)),
    ("a controller of Kafka's", reign(THEIRS)),
    ("a controller of ours again", reign(OURS)),
    ("Kafka's console tools", java_clients),
    ("kill -9 of our leader", kill(OURS)),
    ("kill -9 of Kafka's leader", kill(THEIRS)),
    ("our node leaves Kafka's controller", leave(OURS)),
    ("Kafka's node leaves our controller", leave(THEIRS)),
    ("our snapshot for Kafka's node", snapshot_for(THEIRS)),
    ("Kafka's snapshot for our node", snapshot_for(OURS)),
    ("ours on Kafka's folder, in the cluster", mixed_moves.in_place(THEIRS)),
    ("Kafka on our folder, in the cluster", mixed_moves.in_place(OURS)),
    ("a partition moves to ours and back", mixed_moves.by_reassignment),
    ("described alike", described_alike),
    ("replicas are the same bytes", replicas_alike),
    ("stops", stops),
    ("metadata logs are the same records", metadata_logs_alike),
)


def rows() -> list[tuple[str, Callable[[Bench], str]]]:
    """The rows of the conformance table: every step of every arrangement."""
    return [
        (f"mixed ({arrangement.name}): {name}", _row(arrangement, step, last=step is STEPS[-1][1]))
        for arrangement in ARRANGEMENTS
        for name, step in STEPS
    ]


def _row(arrangement: Arrangement, step: Step, *, last: bool) -> Callable[[Bench], str]:
    def check(bench: Bench) -> str:
        cluster = bench.mixed(arrangement)
        try:
            if step not in (starts, metadata_logs_alike):
                cluster.revive()
            return step(cluster)
        finally:
            if last:
                cluster.stack.close()

    return check
