"""Which settings hold, by the image and by a node's own file.

Source: KIP-226 (dynamic broker settings), KIP-966 (the cluster's min.insync.replicas).
"""

from collections.abc import Mapping

from server.metadata.image import Image
from server.model.settings.effective import BrokerSettings, topic_default
from server.model.settings.kinds import ResourceType, Value, parse
from server.model.settings.topic import TOPIC

# A node's properties file, by name; see NodeConfig.static.
Static = Mapping[str, str]


def broker_settings(image: Image, static: Static, broker_id: int | None = None) -> BrokerSettings:
    """The layers of one broker's settings; without an id, those that all brokers share."""
    own = {} if broker_id is None else image.config(ResourceType.BROKER, str(broker_id))
    return BrokerSettings(static, image.config(ResourceType.BROKER, ""), own)


def topic_value(image: Image, static: Static, topic: str, name: str) -> Value:
    """The value of one setting of one topic: its own, or what holds on the node whose file `static` is."""
    text = image.config(ResourceType.TOPIC, topic).get(name)
    if text is not None:
        return parse(TOPIC[name], text)
    node_id = static.get("node.id")
    return topic_default(name, broker_settings(image, static, None if node_id is None else int(node_id)))
