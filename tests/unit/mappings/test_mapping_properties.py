"""What holds for every value: reading gives back what was written, nothing personal is shown, no reply crashes a reader."""

import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import StringConstraints
from pydantic_core import from_json, to_json

from mappings.canonical import PartialDate
from mappings.canonical.kinds import VIETNAM, Choice, Day, Many, Moment, Text
from mappings.canonical.shape import Canonical, personal
from mappings.codes import CodeRow, CodeTable
from mappings.engine import Mapping, compile_mapping
from mappings.errors import MappingFailed
from mappings.language import Fixed, Line, MappingFile
from mappings.values import converter

SPACE = "urn:thing"
SOURCES = {"exchange.id": "00000000-0000-7000-8000-00000000000a", "officer.account": "hub-duty", "settings.code": "S1"}


class Colour(StrEnum):
    """Words of ours, two of which one agency code stands for."""

    RED = "red"
    BLUE = "blue"
    NAVY = "navy"


class Inch(Canonical):
    """An item inside an item."""

    length: int


class Part(Canonical):
    """An item of a list."""

    name: Text
    inches: Many[Inch] = ()


class Spot(Canonical):
    """A group of which nothing is required."""

    street: Text | None = None
    colour: Choice[Colour] | None = None


class Contact(Canonical):
    """A group inside a group, reached by dots."""

    phone: Text | None = None
    tags: Many[Text] = ()


class Owner(Canonical):
    """A group reached by dots."""

    full_name: Annotated[Text, personal("Full name", "Trần Thị Không")]
    contact: Contact | None = None


class Thing(Canonical):
    """Something of every kind that a field can hold."""

    code: Text
    born: PartialDate | None = None
    due: Moment | None = None
    day: Day | None = None
    colour: Choice[Colour] | None = None
    level: int | None = None
    count: int | None = None
    flag: bool | None = None
    long_id: Annotated[str, StringConstraints(pattern="^[0-9]{12}$")] | None = None
    short_id: Annotated[str, StringConstraints(pattern="^[0-9]{9}$")] | None = None
    left: Text | None = None
    right: Text | None = None
    owner: Owner | None = None
    spot: Annotated[Spot | None, personal("Where it is", {})] = None
    parts: Many[Part]
    words: Many[Text] = ()


COLOUR = CodeTable(
    "colour", [CodeRow("red", "01"), CodeRow("blue", "02"), CodeRow("navy", "03"), CodeRow("red", "1", "read")]
)
LEVEL = CodeTable("level", [CodeRow("1", "A"), CodeRow("2", "B")])
MODELS = {"Thing@1": Thing, "Part@1": Part, "Inch@1": Inch, "Spot@1": Spot}
FILES: dict[str, dict[str, Any]] = {
    "inch": {"canonical": "Inch@1", "agency": "", "fields": {"length": {"at": "Dai", "as": "integer text"}}},
    "part": {
        "canonical": "Part@1",
        "agency": "",
        "fields": {"name": "Ten", "inches[]": {"at": "DSDai/Dai[]", "map": "inch"}},
        "fixed": {"Loai": "=1"},
    },
    "spot": {
        "canonical": "Spot@1",
        "agency": "",
        "absent": "",
        "fields": {"street": "Duong", "colour": {"at": "Mau", "codes": "colour"}},
    },
    "thing": {
        "canonical": "Thing@1",
        "agency": "",  # set by `mapping` for each form
        "absent": "",
        "fields": {
            "code": {"at": "Ma", "also": ["MaKhac", "Dau/Ma"]},
            "born": {
                "at": ["Sinh/Ngay", "Sinh/Thang", "Sinh/Nam"],
                "as": ["date yyyyMMdd", "month yyyy", "year"],
                "absent": "omitted",
            },
            "due": {"at": "Han", "as": "moment yyyyMMddHHmmss", "absent": "null"},
            "day": {"at": "Dau/Ngay", "as": ["date dd-MM-yyyy", "trimmed"]},
            "colour": {"at": "Mau", "codes": "colour"},
            "level": {"at": "Cap", "codes": "level"},
            "count": {"at": "So", "as": "integer text"},
            "flag": {"at": "Co", "as": "0/1"},
            "long_id | short_id": "GiayTo[0]/So",
            "left | right": {"at": ["Trai", "Phai"], "absent": "omitted"},
            "owner.full_name": {"parts": ["Chu/Ho", "Chu/Dem", "Chu/Ten"], "as": "trimmed", "absent": "omitted"},
            "owner.contact.phone": {"at": "Chu/DienThoai", "absent": "omitted"},
            "owner.contact.tags[]": {"at": "Chu/The[]", "absent": "omitted"},
            "spot": {"at": "Noi", "map": "spot", "absent": "null"},
            "parts[]": {"at": "Phan[]", "map": "part"},
            "words[]": "Tu/Chu[]",
        },
        "fixed": {
            "GiayTo[0]/Loai": "=1",
            "YeuCau": {"from": "exchange.id", "as": "digits"},
            "CanBo": "officer.account",
            "DonVi": "settings.code",
        },
        "dropped": {"GhiChu": "nobody reads it"},
    },
}


def mapping(form: str) -> Mapping:
    made: dict[str, Mapping] = {}
    for name, file in FILES.items():
        root = {"json": "data/items[0]", "xml": f"{{{SPACE}}}Tra/Vat"}[form] if name == "thing" else ""
        made[name] = compile_mapping(
            MappingFile.model_validate(file | {"agency": root}),
            name=name,
            form=form,
            canonical=MODELS,
            converters=converter,
            codes={"colour": COLOUR, "level": LEVEL},
            nested=made,
        )
    return made["thing"]


BOTH = {"json": mapping("json"), "xml": mapping("xml")}

_letters = st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"])
texts = st.one_of(
    st.sampled_from(["Đặng Thị Không", "a", "  <&>]]>\"' ", "0", "hoa\u0300", "𠀀"]),
    st.text(_letters, min_size=1, max_size=12),
).filter(str.strip)
names = st.sampled_from(["Trần Thị Không", "Đỗ", "LÊ VĂN KHÔNG"])
few = st.integers(-5, 10**12)


def maybe(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | of


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=3).map(tuple)


def digits(length: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**length - 1).map(lambda number: str(number).zfill(length))


days = st.dates(date(1801, 1, 1), date(2999, 12, 31))
partial = st.one_of(
    days.map(PartialDate.of),
    days.map(lambda day: PartialDate(day.year)),
    days.map(lambda day: PartialDate(day.year, day.month)),
)
moments = st.datetimes(datetime(1801, 1, 1), datetime(2999, 12, 30), timezones=st.just(VIETNAM))  # noqa: DTZ001 - bounds have none
colours = st.sampled_from(Colour)
spots = st.one_of(st.builds(Spot, street=texts, colour=maybe(colours)), st.builds(Spot, colour=colours))
contacts = st.one_of(
    st.builds(Contact, phone=texts, tags=several(texts)), st.builds(Contact, tags=texts.map(lambda one: (one,)))
)
parts = st.builds(Part, name=texts, inches=several(st.builds(Inch, length=few)))
either = st.sampled_from(["none", "first", "second"])


@st.composite
def things(draw: st.DrawFn) -> Thing:
    number, side = draw(either), draw(either)
    return Thing(
        code=draw(texts),
        born=draw(maybe(partial)),
        due=draw(maybe(moments)),
        day=draw(maybe(days)),
        colour=draw(maybe(colours)),
        level=draw(maybe(st.sampled_from([1, 2]))),
        count=draw(maybe(few)),
        flag=draw(maybe(st.booleans())),
        long_id=draw(digits(12)) if number == "first" else None,
        short_id=draw(digits(9)) if number == "second" else None,
        left=draw(texts) if side == "first" else None,
        right=draw(texts) if side == "second" else None,
        owner=draw(maybe(st.builds(Owner, full_name=names, contact=maybe(contacts)))),
        spot=draw(maybe(spots)),
        parts=draw(several(parts)),
        words=draw(several(texts)),
    )


def over_the_wire(form: str, payload: Any) -> Any:
    return (
        from_json(to_json(payload)) if form == "json" else etree.fromstring(etree.tostring(payload, encoding="utf-8"))
    )


def test_the_thing_uses_every_key_of_the_language() -> None:
    """Otherwise the property below would prove less than it says."""
    used = {
        key
        for file in FILES.values()
        for table in ("fields", "fixed")
        for line in file.get(table, {}).values()
        if isinstance(line, dict)
        for key in line
    }
    known = {field.alias or name for model in (Line, Fixed) for name, field in model.model_fields.items()}
    assert known - used == set()


@pytest.mark.parametrize("form", ["json", "xml"])
@settings(max_examples=120, deadline=None)
@given(thing=things())
def test_reading_gives_back_what_was_written(form: str, thing: Thing) -> None:
    reading = BOTH[form].read(over_the_wire(form, BOTH[form].write(thing, SOURCES)))
    assert reading is not None
    assert reading.value == thing
    assert reading.fallbacks == ()


@settings(max_examples=60, deadline=None)
@given(thing=things(), upper=st.booleans())
def test_names_in_other_letter_case_are_read_and_reported(thing: Thing, upper: bool) -> None:
    def other_case(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key.upper() if upper else key.lower(): other_case(value) for key, value in tree.items()}
        return [other_case(one) for one in tree] if isinstance(tree, list) else tree

    reading = BOTH["json"].read(other_case(BOTH["json"].write(thing, SOURCES)))
    assert reading is not None
    assert reading.value == thing
    assert "Ma" in reading.fallbacks


@pytest.mark.parametrize("form", ["json", "xml"])
@settings(max_examples=60, deadline=None)
@given(thing=things())
def test_a_masked_payload_shows_nothing_personal(form: str, thing: Thing) -> None:
    marked = thing.model_copy(update={"owner": Owner(full_name="BÍ MẬT"), "spot": Spot(street="BÍ MẬT")})
    payload = BOTH[form].write(marked, SOURCES)
    masked = BOTH[form].masked(payload)
    shown = to_json(masked).decode() if form == "json" else etree.tostring(masked, encoding="unicode")
    assert "BÍ MẬT" not in shown
    assert SOURCES["officer.account"] not in shown
    assert SOURCES["settings.code"] in shown
    assert thing.model_copy() == thing


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.just("PRIVATE")
    | st.sampled_from(["1", "01", "20260101"])
)
keys = st.sampled_from(
    [
        "Ma",
        "MaKhac",
        "Dau",
        "Sinh",
        "Ngay",
        "Nam",
        "Han",
        "Mau",
        "Cap",
        "So",
        "Co",
        "GiayTo",
        "Chu",
        "Ten",
        "The",
        "Noi",
        "Phan",
        "DSDai",
        "Dai",
        "Tu",
        "x",
    ]
)
junk = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=8), max_leaves=25
)


def refusal(form: str, tree: Any) -> MappingFailed | None:
    """Why *tree* is refused; None when it is read. Anything else that is raised fails the test."""
    try:
        BOTH[form].read(tree)
    except MappingFailed as failed:
        return failed
    return None


@settings(max_examples=300, deadline=None)
@given(tree=junk)
def test_a_json_reply_of_any_shape_is_read_or_refused_without_a_value(tree: Any) -> None:
    failed = refusal("json", {"data": {"items": [tree]}})
    assert failed is None or all(fault.place and fault.rule for fault in failed.faults)
    assert "PRIVATE" not in str(failed)


@st.composite
def xml_junk(draw: st.DrawFn) -> str:
    def element(name: str, depth: int) -> str:
        inside = draw(st.lists(keys, max_size=4)) if depth else []
        text = draw(st.sampled_from(["", "PRIVATE", "1", "20260101", "<!-- note -->", "A<!-- x -->B"]))
        return f"<{name}>{text}{''.join(element(one, depth - 1) for one in inside)}</{name}>"

    return f'<Tra xmlns="{SPACE}">{element("Vat", 3)}</Tra>'


@settings(max_examples=200, deadline=None)
@given(text=xml_junk())
def test_an_xml_reply_of_any_shape_is_read_or_refused_without_a_value(text: str) -> None:
    failed = refusal("xml", etree.fromstring(text))
    assert failed is None or all(fault.place and fault.rule for fault in failed.faults)
    assert not re.search("PRIVATE|20260101", str(failed))
