"""What stands at a place, and when its absence is an answer rather than drift."""

import base64
from typing import Any

import pytest
from lxml import etree

from connectors.kit.places import Nothing, at, only_text_at, read_spread, read_unwrap, text_at, texts_at
from connectors.kit.texts import Unreadable
from mappings.paths import read_place

XML = etree.fromstring(
    '<r xmlns="urn:a" xmlns:b="urn:b"><b:Ma>7</b:Ma><List><Item>1</Item><Item>2</Item></List><Trong/></r>'
)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("Ma", "7"),
        ("ma", "7"),
        ("List/Item", "1"),
        ("List/Item[1]", "2"),
        ("Trong", ""),
        ("List", None),
        ("Khong", None),
    ],
)
def test_xml_places_know_no_prefix_and_no_case(place: str, text: str | None) -> None:
    assert text_at(XML, read_place(place)) == text


def test_an_attribute_is_named_by_an_at_sign() -> None:
    tree = etree.fromstring('<r So="0"><a Ma="x"/></r>')
    assert text_at(tree, read_place("@So")) == "0"
    assert text_at(tree, read_place("a/@Ma")) == "x"
    assert at(tree, read_place("@Khong")) == Nothing()
    assert text_at(tree, read_place("So")) is None, "an element of that name is another thing"


@pytest.mark.parametrize(
    ("tree", "place", "parent"),
    [
        ({"result": []}, "result[0]", True),
        ({"result": None}, "result[0]", True),
        ({"a": {}}, "a/b", True),
        ({"a": {"b": None}}, "a/b", True),
        ({}, "result[0]", False),
        ({}, "a/b", False),
        ({"a": None}, "a/b", False),
        ({"a": "text"}, "a/b", False),
        ([], "a", False),
    ],
)
def test_an_empty_collection_is_told_from_a_missing_one(tree: object, place: str, parent: bool) -> None:
    assert at(tree, read_place(place)) == Nothing(parent)  # type: ignore[arg-type]


def test_every_item_of_a_list() -> None:
    assert at({"a": [1, 2]}, read_place("a[]")) == [1, 2]
    assert [item.text for item in at(XML, read_place("List/Item[]"))] == ["1", "2"]  # type: ignore[union-attr]


def test_decoders_and_paths_take_turns() -> None:
    inner = base64.b64encode(b"<BODY><So>1</So></BODY>").decode()
    unwrap = read_unwrap(["json", "Data/File", "base64", "xml", "So"])
    found = unwrap({"Data": {"File": inner}})
    assert isinstance(found, etree._Element)
    assert found.text == "1"


def test_json_inside_json() -> None:
    assert read_unwrap(["json", "message", "json", "a"])({"message": '{"a": {"b": 1}}'}) == {"b": 1}


def test_an_empty_collection_ends_the_unwrapping() -> None:
    assert read_unwrap(["json", "data[0]", "x"])({"data": []}) == Nothing()


@pytest.mark.parametrize(
    ("words", "tree", "says"),
    [
        (["json", "a/b"], {}, "`a/b` leads nowhere"),
        (["a", "base64"], {"a": "!"}, "is not base64"),
        (["a", "json"], {"a": "{"}, "ends in the middle"),
        (["a", "xml"], {"a": 1}, "is no text"),
        (["a", "base64"], {"a": 1}, "is no text"),
    ],
)
def test_what_cannot_be_unwrapped_names_the_step(words: list[str], tree: dict[str, object], says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read_unwrap(words)(tree)


@pytest.mark.parametrize(
    ("tree", "place", "text"),
    [
        ({"a": {"B": 1}}, "A/b", "1"),
        ({"a": [{"b": "x"}, {"b": "y"}]}, "a[1]/b", "y"),
        ({"a": {}}, "a/b", None),
        ({}, "a/b", None),
        (etree.fromstring("<r><a>x</a><a>y</a></r>"), "a[1]", "y"),
    ],
)
def test_what_proves_something_is_found_where_only_one_thing_can_be_meant(
    tree: Any, place: str, text: str | None
) -> None:
    assert only_text_at(tree, read_place(place)) == text


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({"a": 1, "A": 2}, "a"),
        ({"a": {"b": 1}, "A": {"b": 2}}, "a/b"),
        ({"a": [1], "A": [2]}, "a[0]"),
        ({"a": {"b": 1}}, "a"),
        ({"a": [1]}, "a"),
        (etree.fromstring("<r><a>x</a><a>y</a></r>"), "a"),
        (etree.fromstring('<r><a>x</a><A xmlns="urn:x">y</A></r>'), "a"),
        (etree.fromstring('<r><x:a xmlns:x="urn:x">x</x:a><a>y</a></r>'), "a[0]"),
        (etree.fromstring("<r><a><b/></a></r>"), "a"),
    ],
)
def test_what_could_be_read_in_two_ways_proves_nothing(tree: Any, place: str) -> None:
    with pytest.raises(ValueError, match=r"more than once|is a group"):
        only_text_at(tree, read_place(place))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so", ["7"]),
        ("ds[]/so", ["1", "2", None]),
        ("ds[]/con[]/so", ["x", "y"]),
        ("ds[0]/so", ["1"]),
        ("khong[]/so", []),
        ("khong", [None]),
        ("nhan[]", ["a", "b"]),
    ],
)
def test_a_spread_gives_a_text_for_each_of_its_spots(text: str, found: list[str | None]) -> None:
    tree = {"so": 7, "nhan": ["a", "b"], "ds": [{"so": 1, "con": [{"so": "x"}, {"so": "y"}]}, {"so": "2"}, {}]}
    assert texts_at(tree, read_spread(text)) == found
