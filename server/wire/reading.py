"""Python source of a decoder for a Struct: straight-line, one loop per array.

Runs of fixed-size fields are unpacked by one struct.Struct, together with the length or the count (or the first byte
of its varint) that follows them. Fixed sizes need no check of their own: unpack_from and indexing raise beyond the
buffer, and the wrapper in `codec` turns that into Malformed. Slices do not raise, so what has a length is checked
against the end of the buffer; an array's count is checked against the bytes its elements need at least, so that a
hostile count cannot make a long loop or a large allocation.
"""

from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from server.wire.schema import FORMATS, SIZES, Field, Struct, element_bytes


class Source:
    """Lines of one function, and the names that they refer to."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.counter = 0
        self.scatters = False

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    def bind(self, stem: str, value: Any) -> str:
        """Give a constant a name in the function's globals."""
        name = self.fresh(stem)
        self.names[name] = value
        return name

    def add(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]


class Run:
    """Fixed-size values that lie together: (format, variable)."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.items: list[tuple[str, str]] = []

    def flush(self, depth: int) -> None:
        if not self.items:
            return
        if self.items == [("B", self.items[0][1])]:
            self.source.add(depth, f"{self.items[0][1]} = buf[at]", "at += 1")
        else:
            formats = [kind for kind, _ in self.items]
            unpack = self.source.bind("unpack", ">" + "".join(formats))
            variables = ", ".join(name for _, name in self.items)
            self.source.add(depth, f"{variables}, = {unpack}(buf, at)", f"at += {sum(SIZES[kind] for kind in formats)}")
        self.items = []


def decoder_source(struct: Struct) -> Source:
    """`def decode(buf, at, end)` returning (message, next offset); see `codec` for what is bound under which name."""
    source = Source()
    source.add(0, "def decode(buf, at, end):")
    result = _struct(source, struct, 1)
    source.add(1, f"return {result}, at")
    return source


def _struct(source: Source, struct: Struct, depth: int) -> str:
    """Emit the reading of a struct; returns the variable that holds it."""
    run = Run(source)
    values: dict[str, str] = {}
    uuids: list[str] = []
    for field in struct.plain:
        variable = values[field.name] = source.fresh("v")
        if not field.array and isinstance(field.type, str) and field.type in FORMATS:
            run.items.append((FORMATS[field.type], variable))
            if field.type == "uuid":
                uuids.append(variable)
        else:
            _variable(source, struct, field, variable, run, depth)
    count = source.fresh("t")
    if struct.flexible:
        run.items.append(("B", count))
    run.flush(depth)
    source.add(depth, *(f"{name} = uuid({name})" for name in uuids))
    make = source.bind("make", struct.make)
    result = source.fresh("s")
    call = f"{result} = {make}({_arguments(source, struct.make, values)})"
    if not struct.flexible:
        source.add(depth, call)
        return result
    source.add(depth, f"if not {count}:", f"    {call}", "else:")
    tags = _tags(source, struct, count, depth + 1)
    arguments = ", ".join(f"{name}={variable}" for name, variable in values.items())
    arguments = f"{arguments}, **{tags}" if arguments else f"**{tags}"
    source.add(depth + 1, f"{result} = {make}({arguments})")
    return result


def _arguments(source: Source, make: Any, values: dict[str, str]) -> str:
    """By position as far as a dataclass allows, which is half the cost of a call by keywords."""
    arguments: list[str] = []
    left = dict(values)
    for field in fields(make) if is_dataclass(make) else ():
        if not left or field.kw_only or not field.init:
            break
        if field.name in left:
            arguments.append(left.pop(field.name))
        elif field.default is not MISSING:
            arguments.append(source.bind("default", field.default))
        else:
            break
    return ", ".join([*arguments, *(f"{name}={variable}" for name, variable in left.items())])


def _tags(source: Source, struct: Struct, count: str, depth: int) -> str:
    """Emit the reading of `count` tagged fields; returns the dict that holds the known ones."""
    found, tag, size, stop = source.fresh("g"), source.fresh("k"), source.fresh("n"), source.fresh("e")
    _rest_of_varint(source, count, depth)
    source.add(depth, f"if {count} * 2 > end - at: raise short({struct.name + ' tags'!r})", f"{found} = {{}}")
    source.add(depth, f"for _ in repeat(None, {count}):")
    depth += 1
    source.add(depth, f"{tag} = buf[at]", "at += 1")
    _rest_of_varint(source, tag, depth)
    source.add(depth, f"{size} = buf[at]", "at += 1")
    _rest_of_varint(source, size, depth)
    source.add(depth, f"{stop} = at + {size}", f"if {stop} > end: raise short({struct.name + ' tags'!r})")
    word = "if"
    for field in struct.tagged:
        source.add(depth, f"{word} {tag} == {field.tag}:")
        word = "elif"
        variable = _alone(source, struct, field, depth + 1)
        source.add(depth + 1, f"{found}[{field.name!r}] = {variable}")
        source.add(depth + 1, f"if at != {stop}: raise Malformed({_bad(struct, field, 'size')!r})")
    if struct.tagged:
        source.add(depth, "else:", f"    at = {stop}")
    else:
        source.add(depth, f"at = {stop}")
    return found


def _alone(source: Source, struct: Struct, field: Field, depth: int) -> str:
    """Emit the reading of one field by itself; returns its variable."""
    variable = source.fresh("v")
    run = Run(source)
    if not field.array and isinstance(field.type, str) and field.type in FORMATS:
        run.items.append((FORMATS[field.type], variable))
        run.flush(depth)
        if field.type == "uuid":
            source.add(depth, f"{variable} = uuid({variable})")
    else:
        _variable(source, struct, field, variable, run, depth)
    return variable


def _variable(source: Source, struct: Struct, field: Field, variable: str, run: Run, depth: int) -> None:
    """Emit the reading of a field that has a length, a count or a marker; that one joins the run before it."""
    if isinstance(field.type, Struct) and not field.array:
        if not field.nullable:
            run.flush(depth)
            source.add(depth, f"{variable} = {_struct(source, field.type, depth)}")
            return
        marker = source.fresh("n")
        run.items.append(("b", marker))
        run.flush(depth)
        # Null is -1, but 0 in a tagged field: Kafka writes an unsigned varint there.
        source.add(depth, f"if {marker} < {int(field.tag is not None)}:", f"    {variable} = None", "else:")
        source.add(depth + 1, f"{variable} = {_struct(source, field.type, depth + 1)}")
        return
    compact = struct.flexible and not field.legacy
    length = source.fresh("n")
    run.items.append(("B" if compact else "h" if field.type == "string" and not field.array else "i", length))
    run.flush(depth)
    if compact:
        _rest_of_varint(source, length, depth)
        source.add(depth, f"{length} -= 1")
    if field.nullable:
        # Any negative length is null to Kafka's readers, and a legacy -1 and a compact 0 are both -1 here.
        source.add(depth, f"if {length} < 0:", f"    {variable} = None", "else:")
        depth += 1
    else:
        source.add(depth, f"if {length} < 0: raise Malformed({_bad(struct, field, 'null or negative length')!r})")
    if field.array:
        _array(source, struct, field, variable, length, depth)
    else:
        _run_of_bytes(source, struct, field, variable, length, depth)


def _run_of_bytes(source: Source, struct: Struct, field: Field, variable: str, length: str, depth: int) -> None:
    stop = source.fresh("e")
    name = _bad(struct, field, "")
    source.add(depth, f"{stop} = at + {length}", f"if {stop} > end: raise short({name!r})")
    if field.type == "string":
        source.add(depth, f"if {length} > MAX_STRING_BYTES: raise Malformed({name + ': too long'!r})")
    value = {"string": "str(buf[at:{}], 'utf-8')", "bytes": "bytes(buf[at:{}])", "records": "buf[at:{}]"}[
        str(field.type)
    ]
    source.add(depth, f"{variable} = {value.format(stop)}", f"at = {stop}")


def _array(source: Source, struct: Struct, field: Field, variable: str, count: str, depth: int) -> None:
    least = element_bytes(struct, field)
    source.add(depth, f"if {count} * {least} > end - at: raise short({_bad(struct, field, '')!r})")
    if isinstance(field.type, str) and field.type in FORMATS and field.type != "uuid":
        code = FORMATS[field.type]
        unpackers = source.bind("unpackers", (">", code))
        source.add(depth, f"{variable} = {unpackers}[{count}](buf, at)", f"at += {count} * {SIZES[code]}")
        return
    element = Field(field.name, field.type, legacy=field.legacy)
    source.add(depth, f"{variable} = []", f"for _ in repeat(None, {count}):")
    source.add(depth + 1, f"{variable}.append({_alone(source, struct, element, depth + 1)})")
    source.add(depth, f"{variable} = tuple({variable})")


def _rest_of_varint(source: Source, variable: str, depth: int) -> None:
    source.add(depth, f"if {variable} > 127: {variable}, at = rest_of_uvarint(buf, at, {variable})")


def _bad(struct: Struct, field: Field, what: str) -> str:
    return f"{struct.name}.{field.name}: {what}" if what else f"{struct.name}.{field.name}"
