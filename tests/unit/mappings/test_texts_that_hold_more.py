"""A text may hold an XML document, a list or a pair: lines name places inside it as if they were elements."""

import base64
from typing import Any

import pytest
from lxml import etree

from mappings.canonical import CANONICAL
from mappings.canonical.citizen import Relative
from mappings.canonical.document_store import FetchedFile
from mappings.canonical.dossier_parts import Document
from mappings.canonical.transfer import ResultRefusal
from mappings.engine import Mapping, compile_mapping
from mappings.errors import FilesRefused, MappingFailed
from mappings.language import MappingFile
from mappings.values import converter
from mappings.values_files import CONTENT_MARK

FILE = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def mapping(model: str, agency: str, fields: dict[str, Any], nested: Any = None, **rest: Any) -> Mapping:
    file = MappingFile.model_validate({"canonical": model, "agency": agency, "fields": fields, **rest})
    return compile_mapping(
        file, name="m", form="xml", canonical=CANONICAL, converters=converter, codes={}, nested=nested or {}
    )


def person(**fixed: Any) -> Mapping:
    return mapping(
        "Relative@1",
        "{urn:x}send",
        {"citizen_id": "{}arg/message/content/sheet/id", "full_name": "{}arg/message/name"},
        fixed={
            "{}arg": {"from": "payload", "as": "xml text"},
            "{}arg/message/content": {"from": "payload", "as": "base64 xml"},
            "{}arg/message/kind": "=1.1",
            **fixed,
        },
    )


SOMEBODY = Relative(full_name="Trần <Thị> Không & Ai", citizen_id="000180000011")


def test_a_document_in_a_text_in_a_document_is_written_and_read() -> None:
    written = person().write(SOMEBODY, {})
    (arg,) = written
    assert arg.tag == "arg"
    assert len(arg) == 0
    assert arg.text is not None
    message = etree.fromstring(arg.text)
    assert message.tag == "message"
    assert "urn:x" not in arg.text
    assert [child.tag for child in message] == ["content", "name", "kind"]
    sheet = etree.fromstring(base64.b64decode(message.findtext("content") or ""))
    assert sheet.findtext("id") == "000180000011"
    found = person().read(written)
    assert found is not None
    assert found.value == SOMEBODY


def test_cdata_blanks_and_a_prolog_are_read_like_any_text() -> None:
    sheet = b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n<sheet><id> <![CDATA[000180000011]]> </id></sheet>\n'
    content = base64.b64encode(sheet).decode()
    inner = f"<message><name><![CDATA[Trần]]></name><content><![CDATA[{content}]]></content></message>"
    tree = etree.Element("{urn:x}send")
    etree.SubElement(tree, "arg").text = inner
    found = person().read(tree)
    assert found is not None
    assert found.value == Relative(full_name="Trần", citizen_id="000180000011")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("<message>", "arg: holds no well-formed XML"),
        ("<!DOCTYPE m><message/>", "arg: has a DTD"),
        ("<message><content>x!</content></message>", "arg/message/content: is no base64"),
        ("<message><content>aGVsbG8=</content></message>", "content: holds no well-formed XML in base64"),
    ],
)
def test_a_text_that_holds_something_else_is_a_fault_at_its_place(text: str, rule: str) -> None:
    tree = etree.Element("{urn:x}send")
    etree.SubElement(tree, "arg").text = text
    with pytest.raises(MappingFailed, match=rule):
        person().read(tree)


def test_nothing_inside_writes_no_text() -> None:
    written = person().write(Relative(), {})
    assert len(written) == 0


PAPER = mapping("Document@1", "", {"name": ""})


def refusal(**rest: Any) -> Mapping:
    return mapping(
        "ResultRefusal@1",
        "refusal",
        {"documents[]": {"at": "names/item[]", "map": "paper"}, "dossier": "both/one[0]", "reason": "both/one[1]"},
        {"paper": PAPER},
        fixed={"names": {"from": "payload", "as": "list ;"}, "both": {"from": "payload", "as": "pair /"}},
        **rest,
    )


def refused(reason: str, *names: str) -> ResultRefusal:
    return ResultRefusal(dossier="H32-1", reason=reason, documents=tuple(Document(name=name) for name in names))


def test_a_list_and_a_pair_in_one_text_each() -> None:
    written = refusal().write(refused("sai/thiếu", "đơn", "ảnh"), {})
    assert [(child.tag, child.text) for child in written] == [("names", "đơn;ảnh"), ("both", "H32-1/sai/thiếu")]
    found = refusal().read(etree.fromstring("<refusal><names>đơn; ảnh;</names><both>H32-1/sai/thiếu</both></refusal>"))
    assert found is not None
    assert found.value == refused("sai/thiếu", "đơn", "ảnh")


def test_a_list_without_end_is_refused_before_it_is_taken_apart() -> None:
    with pytest.raises(MappingFailed, match="names: holds more than 10000 values"):
        refusal().read(etree.fromstring(f"<refusal><names>{'đơn;' * 10_001}</names><both>H32-1/sai</both></refusal>"))


def test_a_value_that_holds_the_separator_is_not_written() -> None:
    with pytest.raises(MappingFailed, match="names: holds a `;` inside"):
        refusal().write(refused("sai", "đơn;ảnh"), {})
    with pytest.raises(MappingFailed, match="both: holds a `/` in the first"):
        refusal().write(ResultRefusal(dossier="H32/1", reason="sai"), {})


@pytest.mark.parametrize(
    ("fixed", "says"),
    [
        ({"arg": {"from": "payload"}}, "needs `as`, one of xml text"),
        ({"arg": {"from": "payload", "as": "xml"}}, "needs `as`, one of xml text"),
        ({"lost": {"from": "payload", "as": "xml text"}}, "has no line inside it"),
        ({"arg": {"from": "payload", "as": "xml text"}}, "holds one thing: lines name arg/a and arg/b"),
    ],
)
def test_a_text_that_could_not_work_is_refused_when_it_is_loaded(fixed: Any, says: str) -> None:
    with pytest.raises(FilesRefused, match=says):
        mapping("Relative@1", "x", {"citizen_id": "arg/a", "full_name": "arg/b"}, fixed=fixed)


def test_a_file_goes_into_a_text_but_not_into_an_encoded_one() -> None:
    def papers(how: str) -> Mapping:
        line = {"at": "arg/file", "as": "file base64"}
        return mapping("FetchedFile@1", "x", {"file": line}, fixed={"arg": {"from": "payload", "as": how}})

    (arg,) = papers("xml text").write(FetchedFile(file=FILE), {})
    assert CONTENT_MARK.search(arg.text)
    with pytest.raises(FilesRefused, match="inside an encoded text"):
        papers("base64 xml")


def test_json_has_no_such_texts() -> None:
    file = {"canonical": "Relative@1", "agency": "", "fields": {"citizen_id": "arg/id"}}
    with pytest.raises(FilesRefused, match="for a text in XML"):
        compile_mapping(
            MappingFile.model_validate(file | {"fixed": {"arg": {"from": "payload", "as": "xml text"}}}),
            name="m", form="json", canonical=CANONICAL, converters=converter, codes={}, nested={},
        )  # fmt: skip
