"""Consumer groups of KIP-848: the coordinator assigns partitions, and brings each member to its assignment."""
