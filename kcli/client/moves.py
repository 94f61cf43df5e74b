"""Leaders and replicas that move: the part of the Admin port about them, over the Kafka protocol."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kcli.client import values
from kcli.client.asking import Asking
from kcli.errors import Refused
from kcli.model import Reassignment
from kcli.model.moves import Directory, Stored

ELECTIONS = {"PREFERRED": 0, "UNCLEAN": 1}


class Moves(Asking):
    def elect_leaders(
        self, kind: str, partitions: Collection[tuple[str, int]] | None
    ) -> Mapping[tuple[str, int], Refused | None]:
        rows = _by_topic(partitions or ())
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

    def alter_partition_reassignments(
        self, targets: Mapping[tuple[str, int], Sequence[int] | None], *, allow_factor_change: bool = True
    ) -> Mapping[tuple[str, int], Refused | None]:
        if not targets:
            return {}
        asked = [
            {
                "name": name,
                "partitions": [{"partition_index": index, "replicas": _listed(targets[name, index])} for index in rows],
            }
            for name, rows in _by_topic(targets).items()
        ]
        # Version 0 has no such field: it always allows the change.
        told = {} if allow_factor_change else {"allow_replication_factor_change": False}
        answer = self._change("AlterPartitionReassignments", topics=asked, **told)
        values.raise_if_refused(answer)
        return {
            (topic.name, row.partition_index): values.refused(row)
            for topic in answer.responses
            for row in topic.partitions
        }

    def describe_log_dirs(self, broker: int) -> tuple[Directory, ...]:
        answer = self._ask_of(broker, "DescribeLogDirs", topics=None)
        if getattr(answer, "error_code", 0):
            values.raise_if_refused(answer)
        return tuple(map(_directory, answer.results))

    def alter_replica_log_dirs(
        self, broker: int, moves: Mapping[tuple[str, int], str]
    ) -> Mapping[tuple[str, int], Refused | None]:
        paths = sorted(set(moves.values()))
        asked = [
            {
                "path": path,
                "topics": [
                    {"name": name, "partitions": rows}
                    for name, rows in _by_topic([one for one in moves if moves[one] == path]).items()
                ],
            }
            for path in paths
        ]
        answer = self._change_at(broker, "AlterReplicaLogDirs", dirs=asked)
        return {
            (topic.topic_name, row.partition_index): Refused(row.error_code) if row.error_code else None
            for topic in answer.results
            for row in topic.partitions
        }


def _by_topic(partitions: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for topic, index in partitions:
        rows.setdefault(topic, []).append(index)
    return rows


def _listed(replicas: Sequence[int] | None) -> list[int] | None:
    return None if replicas is None else list(replicas)


def _directory(row: Any) -> Directory:
    replicas = sorted(
        Stored(topic.name, one.partition_index, one.partition_size, one.offset_lag, bool(one.is_future_key))
        for topic in row.topics
        for one in topic.partitions
    )
    total, usable = (getattr(row, name, -1) for name in ("total_bytes", "usable_bytes"))
    return Directory(
        row.log_dir, row.error_code, tuple(replicas), -1 if total is None else total, -1 if usable is None else usable
    )
