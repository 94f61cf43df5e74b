"""Writes: the partitions with appends that are staged and not written.

The frames of one read stage their batches; then every touched log is written once, with one vectored write. Nothing may
await, answer or read in between: `flush` comes first.

Source: design note "hot path": a system call a read and partition, not one a request.
"""

from typing import Protocol


class Writable(Protocol):
    def write(self) -> None:
        """Write what is staged; failures are the partition's own to report."""
        ...


class Writes:
    def __init__(self) -> None:
        self._touched: list[Writable] = []

    def touch(self, partition: Writable) -> None:
        """Called once for each partition between two flushes."""
        self._touched.append(partition)

    def flush(self) -> None:
        if self._touched:
            touched, self._touched = self._touched, []
            for partition in touched:
                partition.write()
