"""What every command returns: one result, told twice.

`text` is what Kafka's own tool prints, to the byte. `data` is the same facts as JSON values, under the schema of
schemas/output/. `failures` are the items that did not work out: they go to standard error and make the exit code 1.
`failed` makes it 1 as well, where Kafka's text tells the trouble itself, on standard output. `exit_code` is for
results that are neither success nor failure.
"""

from typing import NamedTuple


class Report(NamedTuple):
    text: str
    data: object
    failures: tuple[str, ...] = ()
    failed: bool = False
    exit_code: int = 0  # what to end with in any case, if it is not 0: a signal has come
