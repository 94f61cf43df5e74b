"""How a live cluster moves from Apache Kafka's nodes to ours and back: node by node in place, and by reassignment."""

import json

from tests.conformance.mixed import OURS, THEIRS, WAIT_S, Member, Mixed, OurMember, Step, TheirMember
from tests.support import kafka
from tests.support.clients import consume, produce
from tests.support.waiting import until

MAX_ASKED = 20  # each time it is one of Kafka's brokers with a chance of one in three at least
VALUES = [b"%06d" % n + b"." * 500 for n in range(4000)]  # two segments of SMALL


def in_place(kind: str) -> Step:
    """A node of `kind` stops, the other side's server goes on with its folder, and afterwards it comes back."""

    def step(cluster: Mixed) -> str:
        topic = cluster.create(cluster.nodes[0], "in-place", 3)
        cluster.wait_in_sync([topic])
        node = cluster.of(kind)
        guest = (TheirMember if kind == OURS else OurMember).in_place_of(node)
        before = _written(cluster, topic, "before")
        _replaced(cluster, node, guest)
        before += _written(cluster, topic, "with the other server")
        _replaced(cluster, guest, node)
        before += _written(cluster, topic, "afterwards")
        for each in cluster.nodes:
            read = sum(len(consume(each.bootstrap, topic, partition=number)) for number in range(3))
            assert read == before, f"{read} of {before} records through node {each.node_id}"
        return f"node {node.node_id} was {guest.kind} for a while: {before} records, in sync before and after"

    return step


def _replaced(cluster: Mixed, old: Member, new: Member) -> None:
    old.stop()
    cluster.nodes[old.node_id] = new
    try:
        new.start()
    except BaseException:
        new.kill()
        cluster.nodes[old.node_id] = old
        raise
    cluster.wait_unfenced()
    cluster.wait_in_sync()


def _written(cluster: Mixed, topic: str, when: str) -> int:
    """Write through every node to every partition. Returns how many records."""
    count = 0
    for node in cluster.nodes:
        for number in range(3):
            values = [b"%d %s" % (n, when.encode()) for n in range(100)]
            sent = produce(node.bootstrap, topic, values, partition=number, config={"acks": "all"})
            assert not sent.errors, f"{when}, through node {node.node_id}: {sent.errors}"
            count += len(values)
    return count


def by_reassignment(cluster: Mixed) -> str:
    """A partition goes from Kafka's node to ours and back, while Kafka's controller is active."""
    cluster.enthrone(THEIRS)
    theirs, ours = cluster.of(THEIRS), cluster.of(OURS)
    topic = cluster.create(theirs, "moved", 1, replicas=1, min_insync_replicas="1")
    _reassign(cluster, topic, theirs)
    produce(cluster.bootstrap, topic, VALUES, config={"acks": "all"})
    for target in (ours, theirs):
        _reassign(cluster, topic, target)
        got = [record.value for record in consume(target.bootstrap, topic)]
        assert got == VALUES, f"{len(got)} of {len(VALUES)} records, or others, on node {target.node_id}"
        other = ours if target is theirs else theirs
        until(lambda other=other: not list(other.data.glob(f"{topic}-0")), WAIT_S, "the old replica to be deleted")  # type: ignore[misc]
    return f"{len(VALUES)} records to {ours.kind} node {ours.node_id} and back, the old replicas deleted"


def _reassign(cluster: Mixed, topic: str, target: Member) -> None:
    """Have `target` alone hold partition 0. The tool asks any broker, and ours do not hand this on: ask again then."""
    plan = cluster.folder / f"{topic}.json"
    moves = [{"topic": topic, "partition": 0, "replicas": [target.node_id]}]
    plan.write_text(json.dumps({"version": 1, "partitions": moves}))
    asking = ("reassign-partitions", "--bootstrap-server", cluster.of(THEIRS).bootstrap)
    for _ in range(MAX_ASKED):
        told = kafka.tool(*asking, "--execute", "--reassignment-json-file", str(plan))
        if b"UnsupportedVersionException" not in told.stdout:  # where this tool prints its errors
            break
    assert told.returncode == 0, told.stdout.decode()[-600:]

    def moved() -> bool:
        told = cluster.metadata_of(target, topic).topics[topic].partitions[0]
        return bool(told.leader == target.node_id and told.replicas == [target.node_id])

    until(moved, WAIT_S, f"{topic}-0 to be on node {target.node_id} alone")
