"""Leaders and replicas that move: the part of the Admin port about them, over the Kafka protocol."""

from collections.abc import Collection, Mapping

from kcli.client import values
from kcli.client.asking import Asking
from kcli.errors import Refused
from kcli.model import Reassignment

ELECTIONS = {"PREFERRED": 0, "UNCLEAN": 1}


class Moves(Asking):
    def elect_leaders(
        self, kind: str, partitions: Collection[tuple[str, int]] | None
    ) -> Mapping[tuple[str, int], Refused | None]:
        rows: dict[str, list[int]] = {}
        for topic, index in partitions or ():
            rows.setdefault(topic, []).append(index)
        wanted = None if partitions is None else [{"topic": name, "partitions": rows[name]} for name in rows]
        answer = self._change("ElectLeaders", election_type=ELECTIONS[kind], topic_partitions=wanted)
        values.raise_if_refused(answer)
        return {
            (topic.topic, row.partition_id): values.refused(row)
            for topic in answer.replica_election_results
            for row in topic.partition_result
        }

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
