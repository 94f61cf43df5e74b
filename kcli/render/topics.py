"""Topics in the words and columns of kafka-topics.sh, and as data for --output json."""

from collections.abc import Iterable, Sequence

from kcli.model import ZERO_ID, Created, Described, Listing, Partition, Topic


def names(topics: Sequence[Listing]) -> str:
    """One name a line; an empty line for none."""
    return "\n".join(topic.name for topic in topics) + "\n"


def header(described: Described) -> str:
    """The line of a topic: tabs between, a blank after the colon even where nothing follows."""
    topic = described.topic
    fields = [f"Topic: {topic.name}"]
    if topic.id != ZERO_ID:
        fields.append(f"TopicId: {topic.id}")
    fields.append(f"PartitionCount: {len(topic.partitions)}")
    fields.append(f"ReplicationFactor: {described.replication_factor}")
    # A sensitive value is not told by the broker: Java prints null.
    told = (f"{one.name}={'null' if one.value is None else one.value}" for one in described.settings)
    fields.append(f"Configs: {','.join(told)}")
    return "\t".join(fields) + "\n"


def partition(described: Described, one: Partition) -> str:
    """The line of a partition; it begins with a tab."""
    move = described.moves.get(one.id)
    fields = [
        f"\tTopic: {described.topic.name}",
        f"Partition: {one.id}",
        f"Leader: {'none' if one.leader is None else one.leader}",
        f"Replicas: {_ids(one.replicas)}",
        f"Isr: {_ids(one.isr)}",
    ]
    if move:
        fields += [f"Adding Replicas: {_ids(move.adding)}", f"Removing Replicas: {_ids(move.removing)}"]
    fields += [f"Elr: {_known(one.elr)}", f"LastKnownElr: {_known(one.last_known_elr)}"]
    return "\t".join(fields) + "\n"


def listing_data(topics: Iterable[Listing]) -> list[dict[str, object]]:
    """For --output json."""
    return [{"topic": topic.name, "id": topic.id, "internal": topic.internal} for topic in topics]


def data(described: Described, partitions: Iterable[Partition]) -> dict[str, object]:
    """For --output json: a topic, with the partitions that were asked for."""
    return {
        "topic": described.topic.name,
        "id": described.topic.id,
        "internal": described.topic.internal,
        "partitionCount": len(described.topic.partitions),
        "replicationFactor": described.replication_factor,
        "configs": {one.name: one.value for one in described.settings},
        "partitions": [_partition_data(described, one) for one in partitions],
    }


def _partition_data(described: Described, one: Partition) -> dict[str, object]:
    move = described.moves.get(one.id)
    told: dict[str, object] = {
        "partition": one.id,
        "leader": one.leader,
        "leaderEpoch": one.leader_epoch,
        "replicas": list(one.replicas),
        "isr": list(one.isr),
        "elr": None if one.elr is None else list(one.elr),
        "lastKnownElr": None if one.last_known_elr is None else list(one.last_known_elr),
        "offlineReplicas": list(one.offline),
    }
    if move:
        told |= {"addingReplicas": list(move.adding), "removingReplicas": list(move.removing)}
    return told


def _ids(brokers: Iterable[int]) -> str:
    return ",".join(map(str, brokers))


def _known(brokers: tuple[int, ...] | None) -> str:
    return "N/A" if brokers is None else _ids(brokers)


def created(made: Created, *, dry_run: bool) -> str:
    """The line of a topic that was made, or would be."""
    if not dry_run:
        return f"Created topic {made.name}.\n"
    return f"Would create topic {made.name}: {_count(made.partitions)}, replication factor {made.replication_factor}.\n"


def created_data(made: Created) -> dict[str, object]:
    """For --output json."""
    return {
        "topic": made.name,
        "id": None if made.id == ZERO_ID else made.id,
        "partitionCount": made.partitions,
        "replicationFactor": made.replication_factor,
    }


def grown(topics: Iterable[tuple[str, int, int]]) -> str:
    """What a dry run of alter tells: (topic, partitions before, after) each."""
    return "".join(f"Would grow topic {name} from {before} to {_count(after)}.\n" for name, before, after in topics)


def grown_data(topics: Iterable[tuple[str, int, int]]) -> list[dict[str, object]]:
    """For --output json."""
    return [{"topic": name, "from": before, "to": after} for name, before, after in topics]


def deleted(topics: Iterable[Topic]) -> str:
    """What a dry run of delete tells."""
    return "".join(f"Would delete topic {topic.name} with {_count(len(topic.partitions))}.\n" for topic in topics)


def _count(partitions: int) -> str:
    return f"{partitions} partition" + ("" if partitions == 1 else "s")
