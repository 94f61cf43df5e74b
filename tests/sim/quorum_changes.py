"""What a quorum world was promised of its topics besides that they are there: a setting, and a number of partitions.

One client changes a topic at a time. A change without an answer leaves both states open, and that topic is changed no
more: nobody knows when, if ever, the change will be made.
"""

from random import Random

from server.metadata.image import Image
from server.model.errors import ErrorCode
from server.model.settings.kinds import ResourceType
from server.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from server.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.sim.client import Client

CREATE_PARTITIONS, INCREMENTAL_ALTER_CONFIGS = 37, 44
SETTING, SET = "retention.ms", 0
TOPIC = 2
MOST_PARTITIONS = 5


class Changes:
    def __init__(self) -> None:
        self.open: set[str] = set()  # topics that are being changed, or whose change had no answer
        self._settings: dict[str, set[str | None]] = {}
        self._counts: dict[str, set[int]] = {}

    def __contains__(self, topic: str) -> bool:
        return topic in self._counts

    def made(self, topic: str, partitions: int) -> None:
        self._settings[topic], self._counts[topic] = {None}, {partitions}

    async def change(self, client: Client, rng: Random, topic: str) -> bool:
        """Change something of a topic that nobody else changes; whether it was acknowledged. Raises Broken."""
        self.open.add(topic)
        (count,) = self._counts[topic]
        grows = count < MOST_PARTITIONS and rng.random() < 0.5
        done = await (self._grow(client, topic, count + 1) if grows else self._set(client, topic, rng.randrange(1000)))
        if done:
            self.open.discard(topic)
        return done

    async def _set(self, client: Client, topic: str, number: int) -> bool:
        value = str(3_600_000 + number)
        self._settings[topic].add(value)
        resource = AlterConfigsResource(TOPIC, topic, [AlterableConfig(SETTING, SET, value)])
        client.use_newest(INCREMENTAL_ALTER_CONFIGS)
        answer = await client.call(INCREMENTAL_ALTER_CONFIGS, IncrementalAlterConfigsRequest([resource]))
        done: bool = answer.responses[0].error_code == ErrorCode.NONE
        if done:
            self._settings[topic] = {value}
        return done

    async def _grow(self, client: Client, topic: str, count: int) -> bool:
        self._counts[topic].add(count)
        client.use_newest(CREATE_PARTITIONS)
        request = CreatePartitionsRequest([CreatePartitionsTopic(topic, count, None)], 5000)
        answer = await client.call(CREATE_PARTITIONS, request)
        done: bool = answer.results[0].error_code == ErrorCode.NONE
        if done:
            self._counts[topic] = {count}
        return done

    def problems(self, image: Image, topic: str) -> list[str]:
        """What of a topic that is there is not as promised."""
        value = image.config(ResourceType.TOPIC, topic).get(SETTING)
        count = len(image.topics[topic].partitions)
        return [
            f"{topic} has {what} {found}, which must be one of {sorted(map(str, allowed))}"
            for what, found, allowed in (
                (SETTING, value, self._settings[topic]),
                ("partitions", count, self._counts[topic]),
            )
            if found not in allowed
        ]
