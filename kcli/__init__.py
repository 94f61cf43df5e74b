"""kcli: every Apache Kafka bin tool as one fast command."""
