"""The settings of this broker that Apache Kafka has not, or not yet.

Source: KIP-966, part 2 (unclean recovery); Kafka's own default for its time-out is five minutes.
"""

from server.model.settings.declare import HONOURED, LOW, long
from server.model.settings.kinds import Table, table
from server.model.settings.valid import AT_LEAST_0

OURS: Table = table(
    (
        long("broker.gone.grace.ms", 50, AT_LEAST_0,
             "How long the controller waits for a lost broker before it asks whether it is gone.", LOW, HONOURED),
        long("unclean.recovery.timeout.ms", 10_000, AT_LEAST_0,
             "How long the last known leader, once back, waits for the other replicas' logs.", LOW, HONOURED),
    )
)  # fmt: skip
