"""Consumer groups of KIP-848: the coordinator assigns partitions, and brings members to their assignments one by one."""
