"""Groups of consumers as their coordinators describe them, and what they committed."""

from typing import NamedTuple

CONSUMER_TYPE, CLASSIC_TYPE = "Consumer", "Classic"
CONSUMER_PROTOCOL = "consumer"  # what classic consumers say; empty for groups that only commit offsets


class GroupListing(NamedTuple):
    """A group without its members. `type` and `state` are Kafka's words, "Unknown" where the broker is too old."""

    id: str
    type: str
    protocol: str
    state: str
