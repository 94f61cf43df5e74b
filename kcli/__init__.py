"""kcli: every Apache Kafka bin tool as one fast command."""

__version__ = "0.1.0"
KAFKA_VERSION = "4.3.1"  # whose tools, words and protocol these are
