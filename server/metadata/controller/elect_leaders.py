"""What the active controller decides when elections are due, or asked for: preferred ones, and unclean ones.

A preferred election makes the first replica lead, if it is in sync and alive. An unclean one gives a leader to a
partition that has none, from whoever is left; it costs records, so nobody gets it unless asked for, here or by
unclean.leader.election.enable. What the controller does of itself comes in batches, so that nobody waits for all.

Source: KIP-183 (preferred), KIP-460 (unclean, on request); the words of refusals are Kafka's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from server.metadata import settings
from server.metadata.controller import elections
from server.metadata.controller.decision import MAX_RECORDS_A_REQUEST, Decision
from server.metadata.controller.elections import Election
from server.metadata.image import Image, Partition, Topic
from server.metadata.records import PartitionChangeRecord
from server.model.errors import ErrorCode, Rejected
from server.model.ids import NO_LEADER
from server.wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

ELECTIONS_A_BATCH = 1_000

TYPES = {0: Election.PREFERRED, 1: Election.UNCLEAN}
NOT_AVAILABLE = {
    Election.PREFERRED: (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available."),
    Election.UNCLEAN: (
        ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        "Eligible topic partition leaders are not available.",
    ),
}


def elect(image: Image, static: settings.Static, request: ElectLeadersRequest) -> Decision[ElectLeadersResponse]:
    """Elect leaders of the named partitions, or of all: then those that need no election are left out of the answer.

    Raises Rejected: INVALID_REQUEST, POLICY_VIOLATION.
    Row errors: ELECTION_NOT_NEEDED, ELIGIBLE_LEADERS_NOT_AVAILABLE, PREFERRED_LEADER_NOT_AVAILABLE,
    UNKNOWN_TOPIC_OR_PARTITION.
    """
    election = TYPES.get(request.election_type)
    if election is None:
        raise Rejected(ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}")
    records: dict[PartitionChangeRecord, None] = {}  # a partition that is named twice is elected once
    results = []
    for name, indexes in _wanted(image, request):
        rows = []
        rules = elections.rules_for(image, static, name) if name in image.topics else None
        for index in indexes:
            try:
                records[_elected(image, name, index, election, rules)] = None
            except Rejected as refused:
                if request.topic_partitions is not None or refused.code != ErrorCode.ELECTION_NOT_NEEDED:
                    rows.append(PartitionResult(index, refused.code, refused.message))
                continue
            rows.append(PartitionResult(index, ErrorCode.NONE, None))
        results.append(ReplicaElectionResult(name, rows))
    if len(records) > MAX_RECORDS_A_REQUEST:
        raise Rejected(ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation.")
    return Decision(tuple(records), ElectLeadersResponse(replica_election_results=results))


def _wanted(image: Image, request: ElectLeadersRequest) -> Iterator[tuple[str, list[int]]]:
    if request.topic_partitions is None:
        yield from ((topic.name, sorted(topic.partitions)) for topic in image.topics.values())
    else:
        yield from ((topic.topic, list(topic.partitions)) for topic in request.topic_partitions)


def _elected(
    image: Image, name: str, index: int, election: Election, rules: elections.Rules | None
) -> PartitionChangeRecord:
    """The record of one election. Raises Rejected."""
    topic = image.topics.get(name)
    if topic is None or rules is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    partition = topic.partitions.get(index)
    if partition is None:
        raise Rejected(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    if partition.leader == partition.replicas[0] or (election is Election.UNCLEAN and partition.leader != NO_LEADER):
        raise Rejected(ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
    record = elected(image, topic, index, partition, replace(rules, election=election))
    if record is None:
        raise Rejected(*NOT_AVAILABLE[election])
    return record


def balance(image: Image, static: settings.Static) -> Decision[bool]:
    """Let preferred replicas lead again, at most ELECTIONS_A_BATCH; whether there may be more to do."""
    found = (each for each in image.all_partitions() if each[2].leader != each[2].replicas[0])
    return _batch(image, static, found, Election.PREFERRED)


def rescue(image: Image, static: settings.Static) -> Decision[bool]:
    """Give a leader, at any price, to partitions of topics that allow it; as many at once as `balance`."""
    return _batch(image, static, elections.leaderless(image), Election.UNCLEAN)


def _batch(
    image: Image, static: settings.Static, found: Iterable[tuple[Topic, int, Partition]], election: Election
) -> Decision[bool]:
    records: list[PartitionChangeRecord] = []
    by_topic: dict[str, elections.Rules] = {}
    for topic, index, partition in found:
        if topic.name not in by_topic:
            by_topic[topic.name] = elections.rules_for(image, static, topic.name)
        rules = by_topic[topic.name]
        if election is Election.UNCLEAN and rules.election is not Election.UNCLEAN:
            continue  # this topic does not allow it
        record = elected(image, topic, index, partition, replace(rules, election=election))
        if record is not None:
            records.append(record)
            if len(records) == ELECTIONS_A_BATCH:
                break
    return Decision(tuple(records), len(records) == ELECTIONS_A_BATCH)


def elected(
    image: Image, topic: Topic, index: int, partition: Partition, rules: elections.Rules
) -> PartitionChangeRecord | None:
    """The record of an election by these rules among the replicas as they are; None where it changes nothing."""
    rules = replace(rules, acceptable=elections.acceptor(image, partition))
    return elections.change(topic.topic_id, index, partition, partition.isr, rules)
