"""The cluster and its quorum: the part of the Admin port about them, over the Kafka protocol."""

import struct
from collections.abc import Sequence

from kcli.client import values, voters
from kcli.client.asking import Asking
from kcli.errors import Refused, Unreachable
from kcli.model import Broker, Cluster, Quorum, QuorumNode

QUORUM_TOPIC = "__cluster_metadata"


class Clusters(Asking):
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

    def add_raft_voter(self, node: int, directory_id: str, endpoints: Sequence[tuple[str, str, int]]) -> None:
        body = voters.add(node, directory_id, endpoints, self._request_ms)
        self._change_voters("AddRaftVoter", voters.ADD_RAFT_VOTER, body)

    def remove_raft_voter(self, node: int, directory_id: str) -> None:
        self._change_voters("RemoveRaftVoter", voters.REMOVE_RAFT_VOTER, voters.remove(node, directory_id))

    def _change_voters(self, name: str, key: int, body: bytes) -> None:
        wire = self._connected()
        data = wire.call_bytes(name, key, voters.VERSION, body, self._request_ms / 1000)
        try:
            code, message = voters.answer(data)
        except (IndexError, ValueError, struct.error) as error:
            raise Unreachable(f"The broker at {wire.named} sent an answer to {name} that cannot be read") from error
        if code:
            raise Refused(code, message)
