"""Kafka's consumer and its tools for groups on our broker, and its decoder on what our coordinator wrote."""

import json

from tests.conformance.checks import Bench, say
from tests.support import kafka

TOPIC, GROUP = "in-groups", "readers"


def read_by_group(bench: Bench) -> str:
    node = bench.ours
    say("topics", "--create", "--topic", TOPIC, "--partitions", "2", node=node)
    lines = b"".join(b"%d\n" % number for number in range(10))
    say("console-producer", "--topic", TOPIC, node=node, stdin=lines)
    reading = ("console-consumer", "--topic", TOPIC, "--group", GROUP, "--from-beginning", "--max-messages")
    first = say(*reading, "6", node=node).split()
    rest = say(*reading, "4", node=node).split()
    assert sorted(first + rest, key=int) == [str(number) for number in range(10)], (first, rest)
    told = say("consumer-groups", "--describe", "--group", GROUP, node=node)
    lags = [row.split()[5] for row in told.splitlines() if row.startswith(GROUP)]
    assert lags == ["0", "0"], told
    say(
        "consumer-groups",
        "--reset-offsets",
        "--to-earliest",
        "--execute",
        "--group",
        GROUP,
        "--topic",
        TOPIC,
        node=node,
    )
    again = say(*reading, "10", node=node).split()
    assert sorted(again, key=int) == sorted(first + rest, key=int)
    say("consumer-groups", "--delete", "--group", GROUP, node=node)
    assert GROUP not in say("consumer-groups", "--list", node=node).split()
    return f"10 records twice, {_decoded(bench)} records of the coordinator decoded"


def read_by_consumer_group(bench: Bench) -> str:
    """The same in a group of KIP-848."""
    node, topic, group = bench.ours, "in-consumer-groups", "new-readers"
    say("topics", "--create", "--topic", topic, "--partitions", "2", node=node)
    say("console-producer", "--topic", topic, node=node, stdin=b"".join(b"%d\n" % number for number in range(10)))
    new = ("--command-property", "group.protocol=consumer", "--command-property", "auto.offset.reset=earliest")
    reading = ("console-consumer", "--topic", topic, "--group", group, *new, "--max-messages")
    first, rest = say(*reading, "6", node=node).split(), say(*reading, "4", node=node).split()
    assert sorted(first + rest, key=int) == [str(number) for number in range(10)], (first, rest)
    listed = say("consumer-groups", "--list", "--type", "consumer", node=node).split()
    assert group in listed, listed
    told = say("consumer-groups", "--describe", "--group", group, node=node)
    lags = [row.split()[5] for row in told.splitlines() if row.startswith(group)]
    assert lags == ["0", "0"], told
    kinds = {kind for kind, id_ in _keys(bench) if id_ == group}
    assert kinds == {"1", "3", "5", "6", "7", "8"}, kinds
    say("consumer-groups", "--delete", "--group", group, node=node)
    assert group not in say("consumer-groups", "--list", node=node).split()
    return "10 records, each type of record decoded"


def _decoded(bench: Bench) -> int:
    """How many records of our group Kafka's own tool finds in our __consumer_offsets."""
    keys = _keys(bench)
    kinds = {kind for kind, group in keys if group == GROUP}
    assert kinds == {"1", "2"}, kinds
    return len(keys)


def _keys(bench: Bench) -> list[tuple[str, str]]:
    """What Kafka's own tool reads in our __consumer_offsets: types of records, and their groups."""
    logs = [str(path) for path in bench.ours.data.glob("__consumer_offsets-*/*.log") if path.stat().st_size]
    done = kafka.tool("dump-log", "--offsets-decoder", "--files", ",".join(sorted(logs)))
    keys = []
    for line in done.stdout.decode().splitlines():
        if " key: {" in line:
            key = json.loads(line.split(" key: ")[1].split(" payload: ")[0])
            data = key["data"]
            keys.append((key["type"], data.get("group", data.get("groupId"))))
    return keys
