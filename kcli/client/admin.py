"""The Admin port over the Kafka protocol: one blocking connection, the newest versions that both sides speak.

Any broker will do: in KRaft a broker passes on what is for the controller. Bootstrap servers are tried in order until
one answers; when a connection dies in the middle of a question, the question is asked again elsewhere, but a change
(create, delete, alter) is not: it may have been done.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kcli.client import configs, values
from kcli.client.port import PAGE
from kcli.client.wire import UNSUPPORTED_VERSION, Broken, Clock, Reader, Silence, Wire
from kcli.errors import Refused, Setup, Unreachable
from kcli.model import (
    Broker,
    Cluster,
    Created,
    Listing,
    NewTopic,
    Quorum,
    QuorumNode,
    Reassignment,
    Resource,
    Setting,
    SettingChange,
    Topic,
)
from kcli.properties import Connection

DEFAULT_REQUEST_TIMEOUT_MS, DEFAULT_CONNECT_TIMEOUT_MS = 30_000, 10_000
NO_BROKER = "Start one with 'kcli cluster up', or name yours with --bootstrap-server HOST:PORT."
KINDS = {"topic": 2, "broker": 4, "broker-logger": 8, "client-metrics": 16, "group": 32}
OPERATIONS = {"set": 0, "delete": 1, "append": 2, "subtract": 3}
QUORUM_TOPIC = "__cluster_metadata"


class KafkaAdmin:
    """kcli.client.port.Admin, over the network."""

    def __init__(self, connection: Connection, clock: Clock = time.monotonic) -> None:
        self._connection, self._clock = connection, clock
        self._wire: Wire | None = None
        self._start = 0  # which of the addresses is tried first
        self._request_ms = _milliseconds(connection.settings, "request.timeout.ms", DEFAULT_REQUEST_TIMEOUT_MS)
        # As in Kafka's admin client: a call as a whole has twice the time of a request, unless it is said.
        self._call_ms = _milliseconds(connection.settings, "default.api.timeout.ms", 2 * self._request_ms)
        setup = _milliseconds(connection.settings, "socket.connection.setup.timeout.ms", DEFAULT_CONNECT_TIMEOUT_MS)
        self._connect_ms = min(setup, self._request_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    # --- topics

    def list_topics(self) -> tuple[Listing, ...]:
        rows = self._metadata(None).topics
        return tuple(sorted(Listing(row.name, values.id_of(row.topic_id), row.is_internal) for row in rows))

    def describe_topics(self, names: Sequence[str] | None = None, *, page: int = PAGE) -> tuple[Topic, ...]:
        if names is not None and not names:
            return ()
        try:
            return self._described(names, page)
        except Refused as refused:
            if refused.code != UNSUPPORTED_VERSION:
                raise
        asked = None if names is None else [{"name": name} for name in names]
        return values.topics(self._metadata(asked).topics)

    def describe_topics_by_id(self, ids: Sequence[str]) -> tuple[Topic, ...]:
        asked = [{"topic_id": values.uuid_of(text), "name": None} for text in ids]
        return values.topics(self._metadata(asked).topics)

    def create_topics(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> tuple[Created | Refused, ...]:
        answer = self._change(
            "CreateTopics", topics=[values.new_topic(topic) for topic in topics], validate_only=validate_only
        )
        rows = {row.name: row for row in answer.topics}
        return tuple(
            values.refused(rows[topic.name])
            or Created(
                topic.name,
                values.id_of(rows[topic.name].topic_id),
                rows[topic.name].num_partitions,
                rows[topic.name].replication_factor,
            )
            for topic in topics
        )

    def delete_topics(self, names: Sequence[str]) -> Mapping[str, Refused | None]:
        if not names:
            return {}
        by_id = (self._connected().version("DeleteTopics") or 0) >= 6
        asked: dict[str, Any] = (
            {"topics": [{"name": name} for name in names]} if by_id else {"topic_names": list(names)}
        )
        return {row.name: values.refused(row) for row in self._change("DeleteTopics", **asked).responses}

    def create_partitions(
        self,
        counts: Mapping[str, int],
        assignments: Mapping[str, Sequence[Sequence[int]]] | None = None,
        *,
        validate_only: bool = False,
    ) -> Mapping[str, Refused | None]:
        def placed(name: str) -> list[dict[str, Any]] | None:
            rows = (assignments or {}).get(name)
            return None if rows is None else [{"broker_ids": list(row)} for row in rows]

        asked = [{"name": name, "count": count, "assignments": placed(name)} for name, count in counts.items()]
        answer = self._change("CreatePartitions", topics=asked, validate_only=validate_only)
        return {row.name: values.refused(row) for row in answer.results}

    # --- settings

    def describe_configs(
        self,
        resources: Sequence[Resource],
        names: Sequence[str] | None = None,
        *,
        defaults: Collection[str] | None = None,
        synonyms: bool = False,
    ) -> Mapping[Resource, tuple[Setting, ...] | Refused]:
        keys = None if names is None else list(names)
        asked = [
            {"resource_type": KINDS[one.kind], "resource_name": one.name, "configuration_keys": keys}
            for one in resources
        ]
        fields = {"resources": asked, "include_synonyms": synonyms, "include_documentation": False}
        reader = Reader(configs.VERSION, lambda body: configs.of_bytes(body, defaults))
        answer = self._ask("DescribeConfigs", reader, **fields)
        told: configs.Told = answer if isinstance(answer, dict) else configs.of_message(answer, defaults)
        return {one: told[KINDS[one.kind], one.name] for one in resources}

    def incremental_alter_configs(
        self, changes: Mapping[Resource, Sequence[SettingChange]], *, validate_only: bool = False
    ) -> Mapping[Resource, Refused | None]:
        asked = [
            {
                "resource_type": KINDS[one.kind],
                "resource_name": one.name,
                "configs": [
                    {"name": c.name, "config_operation": OPERATIONS[c.operation], "value": c.value} for c in wanted
                ],
            }
            for one, wanted in changes.items()
        ]
        answer = self._change("IncrementalAlterConfigs", timed=False, resources=asked, validate_only=validate_only)
        rows = {(row.resource_type, row.resource_name): row for row in answer.responses}
        return {one: values.refused(rows[KINDS[one.kind], one.name]) for one in changes}

    # --- the cluster

    def describe_cluster(self, *, controllers: bool = False, fenced: bool = False) -> Cluster:
        if self._connected().version("DescribeCluster") is None:  # before Kafka 2.8
            found = self._metadata([])
            alive = sorted(Broker(b.node_id, b.host, b.port, b.rack) for b in found.brokers)
            return Cluster(found.cluster_id, found.controller_id if found.controller_id >= 0 else None, tuple(alive))
        answer = self._ask(
            "DescribeCluster",
            include_cluster_authorized_operations=False,
            endpoint_type=2 if controllers else 1,
            include_fenced_brokers=fenced,
        )
        values.raise_if_refused(answer)
        brokers = [Broker(b.broker_id, b.host, b.port, b.rack, bool(b.is_fenced)) for b in answer.brokers]
        controller = answer.controller_id if answer.controller_id >= 0 else None
        return Cluster(answer.cluster_id, controller, tuple(sorted(brokers)))

    def unregister_broker(self, broker: int) -> None:
        values.raise_if_refused(self._change("UnregisterBroker", timed=False, broker_id=broker))

    def list_partition_reassignments(self) -> tuple[Reassignment, ...]:
        answer = self._ask("ListPartitionReassignments", timeout_ms=self._request_ms, topics=None)
        values.raise_if_refused(answer)
        return tuple(
            sorted(
                Reassignment(
                    t.name, p.partition_index, *map(tuple, (p.replicas, p.adding_replicas, p.removing_replicas))
                )
                for t in answer.topics
                for p in t.partitions
            )
        )

    def describe_quorum(self) -> Quorum:
        asked = [{"topic_name": QUORUM_TOPIC, "partitions": [{"partition_index": 0}]}]
        answer = self._ask("DescribeQuorum", topics=asked)
        values.raise_if_refused(answer)
        partition = answer.topics[0].partitions[0]
        values.raise_if_refused(partition)
        return Quorum(
            partition.leader_id,
            partition.leader_epoch,
            partition.high_watermark,
            tuple(map(values.replica, partition.current_voters)),
            tuple(map(values.replica, partition.observers)),
            tuple(
                QuorumNode(n.node_id, tuple((one.name, one.host, one.port) for one in n.listeners))
                for n in answer.nodes or ()
            ),
        )

    # --- asking

    def _described(self, names: Sequence[str] | None, page: int) -> tuple[Topic, ...]:
        """DescribeTopicPartitions, page by page; a topic may go on on the next page."""
        found: dict[str, Topic] = {}
        asked = [{"name": name} for name in sorted(names or ())]
        cursor: dict[str, Any] | None = None
        while True:
            answer = self._ask("DescribeTopicPartitions", topics=asked, response_partition_limit=page, cursor=cursor)
            for topic in values.topics(answer.topics):
                earlier = found[topic.name].partitions if topic.name in found else ()
                found[topic.name] = topic._replace(partitions=earlier + topic.partitions)
            following = answer.next_cursor
            if following is None:
                return tuple(found[name] for name in sorted(found))
            cursor = {"topic_name": following.topic_name, "partition_index": following.partition_index}
            # The broker wants the topics from the cursor on: those before it are done.
            asked = [one for one in asked if one["name"] >= following.topic_name]

    def _metadata(self, topics: Sequence[Mapping[str, Any]] | None) -> Any:
        answer = self._ask("Metadata", topics=topics, allow_auto_topic_creation=False)
        values.raise_if_refused(answer)
        return answer

    def _ask(self, name: str, reader: Reader | None = None, /, **fields: Any) -> Any:
        """Ask something that changes nothing: again elsewhere, or once more here if the connection broke."""
        deadline = self._clock() + self._call_ms / 1000
        tried, addresses = 0, len(self._connection.bootstrap)
        while True:
            try:
                return self._connected().call(name, fields, self._seconds(deadline), reader)
            except (Broken, Silence) as error:
                self._close()
                tried += 1
                self._start += 1
                if tried >= addresses + isinstance(error, Broken) or self._clock() >= deadline:
                    raise

    def _change(self, name: str, *, timed: bool = True, **fields: Any) -> Any:
        """Ask for a change, once."""
        if timed:
            fields["timeout_ms"] = self._request_ms
        return self._connected().call(name, fields, self._request_ms / 1000)

    def _seconds(self, deadline: float) -> float:
        return max(0.001, min(self._request_ms / 1000, deadline - self._clock()))

    def _close(self) -> None:
        if self._wire:
            self._wire.close()
            self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = self._first()
        return self._wire

    def _first(self) -> Wire:
        """The first bootstrap server that answers, beginning with the one whose turn it is."""
        failures: list[Unreachable] = []
        deadline = self._clock() + self._call_ms / 1000
        turn = self._start % len(self._connection.bootstrap)
        for address in self._connection.bootstrap[turn:] + self._connection.bootstrap[:turn]:
            timeout = max(0.001, min(self._connect_ms / 1000, deadline - self._clock()))
            try:
                return Wire(address, self._connection.settings, timeout, self._seconds(deadline), self._clock)
            except Unreachable as error:
                failures.append(error)
        if len(failures) == 1:
            failures[0].advice = failures[0].advice or NO_BROKER
            raise failures[0]
        raise Unreachable(f"No broker answers at {self._connection.named}", NO_BROKER) from failures[-1]


def connect(connection: Connection) -> KafkaAdmin:
    """Make an Admin; it connects at its first call."""
    return KafkaAdmin(connection)


def _milliseconds(settings: Mapping[str, str], name: str, default: int) -> int:
    text = settings.get(name)
    if text is None:
        return default
    if not text.strip().isdigit():
        raise Setup(f"Invalid value {text} for configuration {name}: Not a number of type INT")
    return int(text)
