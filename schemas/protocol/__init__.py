"""Messages of Kafka's protocol that kafka-python has no schema of, in the form of its own: kcli.client.wire reads them."""
