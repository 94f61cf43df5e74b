"""Topics: the part of the Admin port about them, over the Kafka protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

from kcli.client import values
from kcli.client.asking import Asking
from kcli.client.port import PAGE
from kcli.client.wire import UNSUPPORTED_VERSION
from kcli.errors import Refused
from kcli.model import Created, Listing, NewTopic, Topic


class Topics(Asking):
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
