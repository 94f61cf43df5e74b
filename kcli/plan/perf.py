"""What a measured run goes by: its pace, its payloads' pieces, the shares of several producers."""

import re

REST_MS = 2.0  # a throttled run rests for so long at least, as Kafka's does


class Pace:
    """How many records may have gone by a moment. `target`: records a second; negative: as many as go."""

    def __init__(self, target: float) -> None:
        self.target = target

    @property
    def limited(self) -> bool:
        return self.target >= 0

    def due(self, elapsed_ms: float) -> int:
        return int(self.target * elapsed_ms / 1000) + 1

    def moment_ms(self, index: int) -> float:
        """When the record of this index is to go, after the start."""
        return index * 1000 / self.target

    def rest_ms(self, elapsed_ms: float, sent: int) -> float:
        """How long to wait before the next one."""
        return max(self.moment_ms(sent) - elapsed_ms, REST_MS)


def pieces(text: str, delimiter: str) -> list[str]:
    """Split as Java does: by an expression; empty pieces at the end are dropped. Raises re.error."""
    found = re.split(delimiter, text) if delimiter != "\\n" else text.split("\n")
    if len(found) > 1 and not found[0] and re.match(delimiter, "") and delimiter != "\\n":
        found = found[1:]  # a match of nothing at the front gives no piece
    while found and not found[-1]:
        found.pop()
    return found


def shares(total: int, among: int) -> list[int]:
    """Split a number into nearly equal parts."""
    each, rest = divmod(total, among)
    return [each + (index < rest) for index in range(among)]
