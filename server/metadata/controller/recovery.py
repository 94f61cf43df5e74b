"""What the controller decides when a leader that was elected uncleanly says that it has recovered.

Source: KIP-704.
"""

from server.metadata.controller.decision import Decision
from server.metadata.image import RECOVERED, RECOVERING, Image
from server.metadata.records import PartitionChangeRecord
from server.model.ids import NodeId


def recovered(image: Image, leader: NodeId) -> Decision[None]:
    """Mark every partition that `leader` leads as recovered: what it has is now what there is."""
    records = tuple(
        PartitionChangeRecord(index, topic.topic_id, leader_recovery_state=RECOVERED)
        for topic, index, partition in image.all_partitions()
        if partition.leader == leader and partition.leader_recovery_state == RECOVERING
    )
    return Decision(records, None)
