"""The grammar of places and paths."""

import pytest

from mappings.paths import Layout, nearest, read_our_path, read_place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "A/B",
        "A[]",
        "A/B[]",
        "A[0]/B",
        "[0]/A",
        "result[0]",
        "{urn:a/b}A/{}B/C",
        "{urn:x}A[2]",
        "A/*",
        "Mã hồ sơ/B.1",
    ],
)
def test_a_place_is_read_and_written_alike(text: str) -> None:
    assert str(read_place(text)) == text


@pytest.mark.parametrize("text", ["/A", "A/", "A//B", "A[]/B", "A[x]", "A[-1]", "{urn:xA", "A]", "A/[0]", "*", "A/*/B"])
def test_what_is_no_place_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match=r"write `A/B`|`map`"):
        read_place(text)


@pytest.mark.parametrize("text", ["born_on", "owner.citizen_id", "documents[]", "owner/*", "owner.identities[]"])
def test_a_path_of_ours_is_read_and_written_alike(text: str) -> None:
    assert str(read_our_path(text)) == text


@pytest.mark.parametrize("text", ["", "HoVaTen", "owner/full_name", "owner.", "documents[0]", "documents[].name"])
def test_what_is_no_path_of_ours_is_refused_with_advice(text: str) -> None:
    with pytest.raises(ValueError, match="write `born_on`"):
        read_our_path(text)


def test_a_namespace_may_hold_slashes() -> None:
    place = read_place("{http://a.example/1.0}A/B")
    assert [(step.namespace, step.name) for step in place.steps] == [("http://a.example/1.0", "A"), (None, "B")]


def test_a_layout_has_the_tag_that_stands_on_the_wire() -> None:
    assert Layout("A", "urn:x").tag == "{urn:x}A"
    assert Layout("A", None).tag == "A"


def test_the_nearest_word_forgives_letter_case_and_says_nothing_when_none_is_near() -> None:
    assert nearest("hovaten", ["HoVaTen", "Ngay"]) == "; did you mean `HoVaTen`?"
    assert nearest("zzz", ["HoVaTen"]) == ""
