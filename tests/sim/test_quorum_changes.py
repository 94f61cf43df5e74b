"""A topic that is not as it was promised to be is told."""

from uuid import UUID

from server.metadata.delta import applied
from server.metadata.image import Image
from server.metadata.records import ConfigRecord, PartitionRecord, TopicRecord
from server.model.ids import LeaderEpoch, NodeId, TopicId
from tests.sim.quorum_changes import SETTING, TOPIC, Changes

ID, ONE = TopicId(UUID(int=500)), NodeId(1)
MADE = (
    TopicRecord("t", ID),
    PartitionRecord(0, ID, (ONE,), (ONE,), leader=ONE, leader_epoch=LeaderEpoch(0), partition_epoch=0),
)


def test_a_topic_is_as_it_was_made() -> None:
    changes = Changes()
    changes.made("t", 1)
    assert changes.problems(applied(Image(), MADE), "t") == []


def test_a_setting_and_partitions_that_nobody_asked_for_are_told() -> None:
    changes = Changes()
    changes.made("t", 2)
    image = applied(Image(), (*MADE, ConfigRecord(TOPIC, "t", SETTING, "5")))
    assert changes.problems(image, "t") == [
        "t has retention.ms 5, which must be one of ['None']",
        "t has partitions 1, which must be one of ['2']",
    ]
