"""The Admin port and its adapter over the Kafka protocol; the only place that knows kafka-python."""

from kcli.client.admin import KafkaAdmin, connect
from kcli.client.port import PAGE, Admin

__all__ = ["PAGE", "Admin", "KafkaAdmin", "connect"]
