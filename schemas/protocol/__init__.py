"""Messages of Kafka's protocol that kafka-python has no schema of, in its form: kcli.client.wire reads them."""
