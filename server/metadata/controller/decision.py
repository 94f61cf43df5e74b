"""Decision: what the controller answers, and the records that make it so.

Decide, never do: a decision function reads an image and returns a Decision. Its records go to the metadata log; its
response leaves only after they are committed there; the image changes only when they are replayed.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from server.metadata.records import Record

MAX_RECORDS_A_REQUEST = 10_000  # that one request may cause

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[R_co]):
    """`records` are appended as one batch, all or none."""

    records: tuple[Record, ...]
    response: R_co
