"""
How one value of a line changes between our side and theirs: its code table, its converters, and what its kind needs.

Put together once when a mapping is compiled; `lines.py` carries the result from slot to field and back.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from mappings.codes import CodeTable
from mappings.ours import OurField
from mappings.paths import nearest
from mappings.slots import Form
from mappings.values import Converter
from mappings.values_files import FILES, write_address

Convert: TypeAlias = Callable[[Any], Any]
FindConverter: TypeAlias = Callable[[str], Converter]
Today: TypeAlias = Callable[[], date]


class Tell(Protocol):
    """Takes what is wrong with a line, as a sentence for its author."""

    def __call__(self, says: str, /) -> None: ...


class Conversion(NamedTuple):
    """A value's way out and its way in. None: it goes as it is."""

    write: Convert | None
    read: Convert | None
    readable: bool = True
    """False when there is no way back, as with a hash: the place is then written and never read."""


UNCHANGED: Final = Conversion(None, None)
_FILE: Final = 'names a file, whose id means nothing to an agency: write as = "file base64", or "file link"'


def conversion(
    field: OurField,
    chain: tuple[str, ...],
    table: CodeTable | None,
    find: FindConverter,
    form: Form,
    today: Today | None,
    tell: Tell,
) -> Conversion:
    """Return the conversion of *field* through *table* and *chain*; what does not fit is told to *tell*."""
    writes: list[Convert] = []
    reads: list[Convert] = []
    readable = True
    if table is not None:
        writes += [*_to_code(field), _theirs(table, today)]
        reads += [*_from_code(field), _ours(table, today)]
        _check_words(field, table, tell)
    elif not chain:
        return _plain(field, form, tell)
    elif field.kind == "choice":
        writes.append(_word)
    named = FILES.intersection(chain)
    if named and field.file is None:
        tell(f"holds no file: `{min(named)}` is for a field that names one")
    if field.file is not None and not field.file.or_address and not named:
        tell(_FILE)
    for name in chain:
        try:
            converter = find(name)
        except ValueError as error:
            tell(str(error))
            continue
        writes.append(converter.write)
        readable = readable and converter.read is not None
        reads += [converter.read] if converter.read is not None else []
    if form == "xml":
        writes.append(_xml_text)
    reads.append(_scalar)
    return Conversion(_in_turn(writes), _in_turn(reads[::-1]), readable)


def source_conversion(chain: tuple[str, ...], find: FindConverter, form: Form, tell: Tell) -> Convert | None:
    """Return how a source's text is changed before it is written; what does not fit is told to *tell*."""
    writes: list[Convert] = []
    if FILES.intersection(chain):
        tell("a source holds no file: name the field that does in [fields]")
    for name in chain:
        try:
            writes.append(find(name).write)
        except ValueError as error:
            tell(str(error))
    return _in_turn([*writes, _xml_text] if form == "xml" and writes else writes)


def _plain(field: OurField, form: Form, tell: Tell) -> Conversion:
    """What happens to a value for which the line names neither converter nor table."""
    if field.file is not None and not field.file.or_address:
        tell(_FILE)
    if field.file is not None:
        return Conversion(write_address, None if form == "xml" else _text)
    if field.kind == "text":
        return UNCHANGED if form == "xml" else Conversion(None, _text)
    if field.kind == "choice":
        return Conversion(_word, None if form == "xml" else _text)
    if field.kind == "group":
        tell("holds a group: name its mapping in `map`")
    elif field.kind == "other":
        tell('needs a converter: say how the agency writes it, e.g. as = "date yyyyMMdd"')
    elif form == "xml":
        example = "integer text" if field.kind == "number" else "true/false"
        tell(
            f'is a {"number" if field.kind == "number" else "yes or no"} and XML holds text: name a converter, e.g. as = "{example}"'
        )
    return UNCHANGED


def _in_turn(converts: list[Convert]) -> Convert | None:
    if len(converts) < 2:
        return converts[0] if converts else None
    if len(converts) == 2:
        first, second = converts
        return lambda value: second(first(value))

    def run(value: Any) -> Any:
        for convert in converts:
            value = convert(value)
        return value

    return run


def _check_words(field: OurField, table: CodeTable, tell: Tell) -> None:
    if field.kind in ("group", "other", "yes or no"):
        tell("takes no code table: only text, words and numbers have codes")
    if field.kind == "choice":
        for word in dict.fromkeys(row.ours for row in table.rows if row.ours not in field.words):
            tell(f"code table `{table.name}` has `{word}`, which this field does not know{nearest(word, field.words)}")
    if field.kind == "number" and not all(row.ours.isdecimal() for row in table.rows):
        tell(f"code table `{table.name}` has words in column ours, and this field holds a number")


def _to_code(field: OurField) -> list[Convert]:
    if field.kind == "choice":
        return [_word]
    return [str] if field.kind == "number" else []


def _from_code(field: OurField) -> list[Convert]:
    return [int] if field.kind == "number" else []


def _theirs(table: CodeTable, today: Today | None) -> Convert:
    if table.timeless or today is None:
        return table.theirs
    return lambda code: table.theirs(code, today())


def _ours(table: CodeTable, today: Today | None) -> Convert:
    if table.timeless or today is None:
        return table.ours
    return lambda code: table.ours(code, today())


def _word(value: Any) -> Any:
    return getattr(value, "value", value)


def _text(value: Any) -> str:
    """Read text; a JSON number is read as its digits, because agencies send codes either way."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    raise ValueError("is no text")


def _scalar(value: Any) -> Any:
    """A JSON number goes into converters and code tables as its digits; groups and lists do not go in at all."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if type(value) is dict or type(value) is list:
        raise ValueError("is a group or list where a value is expected")
    return value


def _xml_text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise ValueError("gives no text, and XML holds text: end the chain with a converter that writes text")
