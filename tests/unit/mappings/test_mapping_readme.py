"""The examples in mappings/README.md are true: each mapping there writes and reads what the page shows."""

import re
from pathlib import Path

import pytest
from lxml import etree
from pydantic_core import from_json

from mappings.canonical import CANONICAL
from mappings.engine import Mapping, load_mappings
from mappings.language import Fixed, Line, MappingFile
from mappings.values import converter

README = Path(__file__).parents[3] / "mappings" / "README.md"
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str, dict[str, str]]]:
    """Each pair of ours and theirs with the files shown before it."""
    found, files, ours = [], {}, ""
    for kind, name, text in BLOCK.findall(README.read_text("utf-8")):
        if name == "ours":
            ours = text
        elif name == "theirs":
            found.append((kind, ours, text, files))
            files = {}
        else:
            files[name] = text
    return found


def as_lists(element: etree._Element) -> list[object]:
    """What an element says, whatever its prefixes."""
    return [element.tag, element.text, [as_lists(child) for child in element]]


def compiled(folder: Path, form: str, files: dict[str, str]) -> Mapping:
    (folder / "codes").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    made = load_mappings(folder, form=form, canonical=CANONICAL, converters=converter, shared_codes={}, layouts={})
    return next(one for one in made.values() if one.root)


@pytest.mark.parametrize(("form", "ours", "theirs", "files"), examples())
def test_an_example_writes_and_reads_what_the_page_shows(
    tmp_path: Path, form: str, ours: str, theirs: str, files: dict[str, str]
) -> None:
    mapping = compiled(tmp_path, form, files)
    value = mapping.canonical.model_validate_json(ours)
    written = mapping.write(value, {source: source for source in mapping.sources})
    if form == "xml":
        shown = etree.fromstring(theirs, etree.XMLParser(remove_blank_text=True))
        assert as_lists(written) == as_lists(shown)
    else:
        shown = from_json(theirs)
        assert written == shown
    reading = mapping.read(shown)
    assert reading is not None
    assert reading.value == value
    assert reading.fallbacks == ()


def test_the_page_explains_every_key_of_the_language() -> None:
    page = README.read_text("utf-8")
    keys = {field.alias or name for model in (MappingFile, Line, Fixed) for name, field in model.model_fields.items()}
    assert {
        key for key in keys if not re.search(rf"`\[?{key}\]?`|^{key}\b|\b{key} = |^\[{key}\]", page, re.MULTILINE)
    } == set()


def test_the_examples_are_all_found() -> None:
    """A page whose blocks the test no longer finds would pass by showing nothing."""
    assert [form for form, *_ in examples()] == ["xml", "json", "xml"]
