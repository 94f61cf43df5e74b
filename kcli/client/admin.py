"""The Admin port over the Kafka protocol: its subjects, put together. `kcli/client/asking.py` says how it asks."""

from kcli.client.cluster import Clusters
from kcli.client.groups import Groups
from kcli.client.moves import Moves
from kcli.client.offsets import Offsets
from kcli.client.settings import Settings
from kcli.client.topics import Topics
from kcli.client.transactions import Transactions
from kcli.properties import Connection


class KafkaAdmin(Topics, Settings, Clusters, Moves, Offsets, Groups, Transactions):
    """kcli.client.port.Admin, over the network."""


def connect(connection: Connection) -> KafkaAdmin:
    """Make an Admin; it connects at its first call."""
    return KafkaAdmin(connection)
