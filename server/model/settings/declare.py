"""The words that tables of settings are written in: a type, then name, default, valid values, what it is for, marks.

integer("num.partitions", 1, AT_LEAST_1, "Partitions of a topic that names no count.", HONOURED)
"""

from collections.abc import Callable
from enum import Enum

from server.model.settings.kinds import Mode, Setting, Type, Validator, Value, _Missing

Synonyms = str | tuple[tuple[str, int], ...]


class Mark(Enum):
    """Importance (medium where unmarked), how it can change at run time, whether this broker acts on it."""

    LOW = "low"
    HIGH = "high"
    CLUSTER = Mode.CLUSTER_WIDE
    PER_BROKER = Mode.PER_BROKER
    HONOURED = True


LOW, HIGH, CLUSTER, PER_BROKER, HONOURED = Mark
NO_RULE = None


def _declarer(type_: Type) -> Callable[..., Setting]:
    def declare(
        name: str,
        default: Value | _Missing,
        valid: Validator | None,
        doc: str,
        *marks: Mark,
        like: Synonyms = (),
    ) -> Setting:
        importance = next((mark.value for mark in marks if mark in (LOW, HIGH)), "medium")
        mode = next((mark.value for mark in marks if mark in (CLUSTER, PER_BROKER)), Mode.READ_ONLY)
        synonyms = ((like, 1),) if isinstance(like, str) else like
        return Setting(name, type_, default, doc, valid, importance, mode, HONOURED in marks, synonyms)

    return declare


boolean = _declarer(Type.BOOLEAN)
text = _declarer(Type.STRING)
integer = _declarer(Type.INT)
short = _declarer(Type.SHORT)
long = _declarer(Type.LONG)
double = _declarer(Type.DOUBLE)
words = _declarer(Type.LIST)
java_class = _declarer(Type.CLASS)
password = _declarer(Type.PASSWORD)
