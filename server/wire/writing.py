"""Python source of an encoder for a Struct: straight-line, one loop per array.

Runs of fixed-size fields are packed by one struct.Struct, together with a legacy length that follows them and the zero
that stands for "no tagged fields". A tagged field is written when its value is not its default, as Kafka does.
"""

from server.wire.primitives import uvarint
from server.wire.reading import Source
from server.wire.schema import FORMATS, Field, Struct, zero


class Run:
    """Fixed-size values that lie together: (format, expression; none for the zero byte `x`)."""

    def __init__(self, source: Source, out: str) -> None:
        self.source, self.out = source, out
        self.items: list[tuple[str, str | None]] = []

    def flush(self, depth: int) -> None:
        if not self.items:
            return
        expressions = ", ".join(expression for _, expression in self.items if expression is not None)
        if expressions:
            pack = self.source.bind("pack", ">" + "".join(kind for kind, _ in self.items))
            self.source.add(depth, f"{self.out} += {pack}({expressions})")
        else:
            self.source.add(depth, f"{self.out}.append(0)")
        self.items = []


def encoder_source(struct: Struct, *, scatter: bool = False) -> Source:
    """`def encode(m, out)`; see `codec` for what is bound under which name.

    scatter  `def encode(m, out, parts)`: leave the buffers of records fields uncopied and append the pieces to `parts`
    """
    source = Source()
    source.add(0, f"def encode(m, out{', parts' if scatter else ''}):")
    # Records inside tagged fields would need their size before them; Kafka has none there.
    source.scatters = scatter
    _struct(source, struct, "m", "out", 1)
    source.add(1, "parts.append(out)" if scatter else "return")
    return source


def _struct(source: Source, struct: Struct, message: str, out: str, depth: int) -> None:
    run = Run(source, out)
    for field in struct.plain:
        _field(source, struct, field, f"{message}.{field.name}", run, depth)
    if struct.flexible and struct.tagged:
        run.flush(depth)
        _tags(source, struct, message, out, depth)
    elif struct.flexible:
        run.items.append(("x", None))
    run.flush(depth)


def _tags(source: Source, struct: Struct, message: str, out: str, depth: int) -> None:
    """Each tagged field is written apart first, for its size goes before it and the number of them before all."""
    tags, part = source.fresh("g"), source.fresh("o")
    source.add(depth, f"{tags} = []")
    for field in struct.tagged:
        value = source.fresh("v")
        source.add(depth, f"{value} = {message}.{field.name}", f"if {_differs(source, field, value)}:")
        source.add(depth + 1, f"{part} = bytearray()")
        run = Run(source, part)
        _field(source, struct, field, value, run, depth + 1)
        run.flush(depth + 1)
        source.add(depth + 1, f"{tags}.append({uvarint(field.tag or 0)!r} + uvarint(len({part})) + {part})")
    source.add(depth, f"{out} += uvarint(len({tags}))", f"for {part} in {tags}: {out} += {part}")


def _differs(source: Source, field: Field, value: str) -> str:
    """The condition on which a tagged field is written."""
    if field.array:
        # By length, for a list and a tuple are never equal.
        if field.default is None:
            return f"{value} is not None"
        if not field.default:
            return f"{value} is None or len({value})" if field.nullable else f"len({value})"
        return f"{value} is None or tuple({value}) != {source.bind('default', field.default)}"
    if field.default is None:
        return f"{value} is not None"
    default = source.bind("default", field.default)
    # Structs that default are mostly the shared default itself, and comparing two structs is slow.
    return (
        f"{value} is not {default} and {value} != {default}"
        if isinstance(field.type, Struct)
        else f"{value} != {default}"
    )


def _field(source: Source, struct: Struct, field: Field, value: str, run: Run, depth: int) -> None:
    if not field.array and isinstance(field.type, str) and field.type in FORMATS:
        run.items.append((FORMATS[field.type], f"{value}.bytes" if field.type == "uuid" else value))
        return
    if not value.isidentifier():
        variable = source.fresh("v")
        source.add(depth, f"{variable} = {value}")
        value = variable
    if field.null_is_empty:
        source.add(depth, f"if {value} is None: {value} = {source.bind('zero', zero(field.type, field.array))}")
    compact = struct.flexible and not field.legacy
    if field.nullable:
        run.flush(depth)
        source.add(depth, f"if {value} is None:")
        source.add(depth + 1, f"{run.out} += {_null(field, compact)!r}")
        source.add(depth, "else:")
        inner = Run(source, run.out)
        if isinstance(field.type, Struct) and not field.array:
            inner.items.append(("b", "1"))
        _present(source, struct, field, value, inner, compact, depth + 1)
        inner.flush(depth + 1)
    else:
        _present(source, struct, field, value, run, compact, depth)


def _null(field: Field, compact: bool) -> bytes:
    if isinstance(field.type, Struct) and not field.array:
        # In a tagged field the marker is an unsigned varint.
        return b"\xff" if field.tag is None else b"\0"
    if compact:
        return b"\0"
    return b"\xff\xff" if field.type == "string" and not field.array else b"\xff\xff\xff\xff"


def _present(source: Source, struct: Struct, field: Field, value: str, run: Run, compact: bool, depth: int) -> None:
    """Emit the writing of a value of variable size that is not null."""
    if isinstance(field.type, Struct) and not field.array:
        run.flush(depth)
        _struct(source, field.type, value, run.out, depth)
    elif field.array and isinstance(field.type, str) and field.type in FORMATS and field.type != "uuid":
        _numbers(source, field.type, value, run, compact, depth)
    elif field.array:
        _length(run, f"len({value})", compact, "i", depth)
        _elements(source, struct, field, value, run.out, depth)
    elif field.type == "string":
        source.add(depth, f"{value} = {value}.encode()")
        source.add(depth, f"if len({value}) > MAX_STRING_BYTES: raise too_long({struct.name + '.' + field.name!r})")
        _length(run, f"len({value})", compact, "h", depth)
        source.add(depth, f"{run.out} += {value}")
    elif field.type == "bytes":
        _length(run, f"len({value})", compact, "i", depth)
        source.add(depth, f"{run.out} += {value}")
    else:
        _records(source, value, run, compact, depth)


def _numbers(source: Source, kind: str, value: str, run: Run, compact: bool, depth: int) -> None:
    """An array of numbers is packed with the run and the count before it, by a packer for its length."""
    count = source.fresh("n")
    source.add(depth, f"{count} = len({value})")
    if compact:
        # A count of 127 and more takes more than a byte, so the run ends before it.
        before = [*run.items, ("B", f"{count} + 1")]
        short = f"{count} < 127"
    else:
        before = [*run.items, ("i", count)]
        short = ""
    packers = source.bind("packers", (">" + "".join(code for code, _ in before), FORMATS[kind]))
    expressions = "".join(f"{expression}, " for _, expression in before if expression is not None)
    whole = f"{run.out} += {packers}[{count}]({expressions}*{value})"
    if not short:
        source.add(depth, whole)
        run.items = []
        return
    source.add(depth, f"if {short}:", f"    {whole}", "else:")
    run.flush(depth + 1)
    elements = source.bind("packers", (">", FORMATS[kind]))
    source.add(depth + 1, f"{run.out} += uvarint({count} + 1)", f"{run.out} += {elements}[{count}](*{value})")


def _records(source: Source, value: str, run: Run, compact: bool, depth: int) -> None:
    size, part = source.fresh("n"), source.fresh("p")
    source.add(depth, f"if not isinstance({value}, list): {value} = ({value},)")
    source.add(depth, f"{size} = sum(map(len, {value}))")
    _length(run, size, compact, "i", depth)
    copy = f"for {part} in {value}: {run.out} += {part}"
    if source.scatters and run.out == "out":
        # Few bytes cost less to copy than to send from a place of their own.
        source.add(depth, f"if {size} < MIN_UNCOPIED_BYTES:", f"    {copy}", "else:")
        source.add(depth + 1, "parts.append(out)", f"parts.extend({value})", "out = bytearray()")
    else:
        source.add(depth, copy)


def _length(run: Run, length: str, compact: bool, code: str, depth: int) -> None:
    if compact:
        run.flush(depth)
        run.source.add(depth, f"{run.out} += uvarint({length} + 1)")
    else:
        run.items.append((code, length))
        run.flush(depth)


def _elements(source: Source, struct: Struct, field: Field, value: str, out: str, depth: int) -> None:
    element = source.fresh("x")
    source.add(depth, f"for {element} in {value}:")
    run = Run(source, out)
    if isinstance(field.type, Struct):
        _struct(source, field.type, element, out, depth + 1)
    else:
        _field(source, struct, Field(field.name, field.type, legacy=field.legacy), element, run, depth + 1)
        run.flush(depth + 1)
