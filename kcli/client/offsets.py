"""Offsets of partitions: the part of the Admin port about them, over the Kafka protocol. Leaders are asked.

Source: KIP-79, KIP-734 (max timestamp), KIP-405 and KIP-1005 (tiers), KIP-1023, KIP-107 (deleting records).
"""

from collections.abc import Mapping

from kcli.client.routing import Routing, by_topic
from kcli.client.wire import UNSUPPORTED_VERSION
from kcli.errors import Refused
from kcli.model.moves import TopicPartition
from kcli.model.offsets import EARLIEST_LOCAL, EARLIEST_PENDING_UPLOAD, LATEST_TIERED, MAX_TIMESTAMP, Position

# The version of ListOffsets from which brokers know each of these.
SINCE = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}


SAMPLE_BYTES = 64 * 1024  # of a partition: enough for most batches
SAMPLES = 100  # partitions in one request


class Offsets(Routing):
    def list_offsets(
        self, times: Mapping[TopicPartition, int], *, committed_only: bool = False
    ) -> Mapping[TopicPartition, Position | Refused]:
        def ask(broker: int, here: list[TopicPartition]) -> dict[TopicPartition, Position | Refused]:
            known = self._version_at(broker, "ListOffsets")
            old = [one for one in here if known < SINCE.get(times[one], 0)]
            rest = by_topic(one for one in here if one not in old)
            told: dict[TopicPartition, Position | Refused] = {
                one: Refused(UNSUPPORTED_VERSION, f"Broker {broker} does not know such offsets") for one in old
            }
            if not rest:
                return told
            topics = [
                {
                    "name": name,
                    "partitions": [{"partition_index": i, "timestamp": times[name, i]} for i in rest[name]],
                }
                for name in rest
            ]
            fields = {"replica_id": -1, "topics": topics}
            if known >= 2:
                fields["isolation_level"] = int(committed_only)
            if known >= 10:
                fields["timeout_ms"] = self._request_ms
            for topic in self._ask_of(broker, "ListOffsets", **fields).topics:
                for row in topic.partitions:
                    one = (topic.name, row.partition_index)
                    epoch = row.leader_epoch if known >= 4 else -1
                    told[one] = (
                        Refused(row.error_code) if row.error_code else Position(row.offset, row.timestamp, epoch)
                    )
            return told

        return self._at_leaders(times, ask)

    def delete_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | Refused]:
        def ask(broker: int, here: list[TopicPartition]) -> dict[TopicPartition, int | Refused]:
            topics = [
                {"name": name, "partitions": [{"partition_index": i, "offset": offsets[name, i]} for i in rows]}
                for name, rows in by_topic(here).items()
            ]
            answer = self._change_at(broker, "DeleteRecords", topics=topics, timeout_ms=self._request_ms)
            return {
                (topic.name, row.partition_index): Refused(row.error_code) if row.error_code else row.low_watermark
                for topic in answer.topics
                for row in topic.partitions
            }

        return self._at_leaders(offsets, ask, change=True)

    def read_records(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, bytes | Refused]:
        def ask(broker: int, here: list[TopicPartition]) -> dict[TopicPartition, bytes | Refused]:
            told: dict[TopicPartition, bytes | Refused] = {}
            for at in range(0, len(here), SAMPLES):
                asked = by_topic(here[at : at + SAMPLES])
                topics = [
                    {
                        "topic": name,
                        "partitions": [
                            {
                                "partition": index,
                                "fetch_offset": offsets[name, index],
                                "partition_max_bytes": SAMPLE_BYTES,
                            }
                            for index in rows
                        ],
                    }
                    for name, rows in asked.items()
                ]
                answer = self._ask_of(
                    broker, "Fetch", replica_id=-1, max_wait_ms=0, min_bytes=0, topics=topics, forgotten_topics_data=[]
                )
                for topic in answer.responses:
                    for row in topic.partitions:
                        one = (topic.topic, row.partition_index)
                        told[one] = Refused(row.error_code) if row.error_code else bytes(row.records or b"")
            return told

        return self._at_leaders(offsets, ask)
