"""Mapping files: loaded together, and refused with every fault at once in words that say what to write."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import BaseModel

from mappings.canonical import CANONICAL
from mappings.codes import CodeRow, CodeTable
from mappings.engine import Mapping, compile_mapping, load_mappings
from mappings.errors import FilesRefused
from mappings.language import Fixed, Line, MappingFile
from mappings.values import converter

FEE = 'canonical = "Fee@1"\nagency = ""\n[fields]\n"name" = "Ten"\n"amount" = { at = "Gia", as = "amount" }\n'


def load(folder: Path, files: dict[str, str], form: Any = "json", **more: Any) -> dict[str, Mapping]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, "utf-8")
    given = {"canonical": CANONICAL, "converters": converter, "shared_codes": {}, "layouts": {}, **more}
    return dict(load_mappings(folder, form=form, **given))


def refused(folder: Path, files: dict[str, str], **more: Any) -> dict[str, str]:
    with pytest.raises(FilesRefused) as caught:
        load(folder, files, **more)
    return {
        f"{fault.file.removeprefix(folder.name + '/')} {fault.key}".strip(): fault.says for fault in caught.value.faults
    }


def line_faults(
    form: Any = "json", model: str = "Dossier@1", codes: dict[str, CodeTable] | None = None, **tables: Any
) -> dict[str, str]:
    """What is wrong with a file of *model*, by key."""
    file = MappingFile.model_validate(
        {"canonical": model, "agency": tables.pop("agency", "{urn:x}A" if form == "xml" else ""), **tables}
    )
    with pytest.raises(FilesRefused) as caught:
        compile_mapping(
            file, name="m", form=form, canonical=CANONICAL, converters=converter, codes=codes or {}, nested={}
        )
    return {fault.key: fault.says for fault in caught.value.faults}


def test_mappings_are_loaded_with_those_they_name_whatever_the_order(tmp_path: Path) -> None:
    outer = 'canonical = "Supplement@1"\nagency = "data"\n[fields]\n"id" = "Id"\n"fees[]" = { at = "Phi[]", map = "zfee" }\n'
    made = load(tmp_path, {"a.map.toml": outer, "zfee.map.toml": FEE})
    assert list(made) == ["a", "zfee"]
    reading = made["a"].read({"data": {"Id": "1", "Phi": [{"Ten": "a", "Gia": "1"}]}})
    assert reading is not None
    assert made["a"].canonical_name == "Supplement@1"


def test_a_table_of_the_folder_counts_before_a_shared_one(tmp_path: Path) -> None:
    text = FEE + '"kind" = { at = "Loai", codes = "kind" }\n'
    shared = {"kind": CodeTable("kind", [CodeRow("a", "9")]), "other": CodeTable("other", [CodeRow("a", "8")])}
    made = load(tmp_path, {"fee.map.toml": text, "codes/kind.csv": "ours,theirs\na,1\n"}, shared_codes=shared)
    reading = made["fee"].read({"Ten": "x", "Gia": "1", "Loai": "1"})
    assert reading is not None
    assert reading.value.kind == "a"  # type: ignore[attr-defined]


def test_codes_are_taken_as_they_are_on_the_day(tmp_path: Path) -> None:
    table = "ours,theirs,valid_to,succeeded_by\na,1,2025-06-30,b\nb,2,,\n"
    days = [date(2025, 6, 30)]
    files = {"fee.map.toml": FEE + '"kind" = { at = "Loai", codes = "kind" }\n', "codes/kind.csv": table}
    fee = load(tmp_path, files, today=lambda: days[0])["fee"]
    value = fee.canonical.model_validate({"name": "x", "amount": 1, "kind": "a"})
    assert fee.write(value, {})["Loai"] == "1"
    days[0] = date(2025, 7, 1)
    assert fee.write(value, {})["Loai"] == "2"


def test_every_fault_of_all_files_is_told_at_once(tmp_path: Path) -> None:
    told = refused(
        tmp_path,
        {
            "a.map.toml": "canonical = \n",
            "b.map.toml": 'canonical = "Fee@1"\nagenzy = ""\n[fields]\n"name" = { at = "Ten", ass = "x" }\nowner.full_name = "Chu"\n',
            "c.map.toml": 'canonical = "Fees@1"\nagency = ""\n',
            "d.map.toml": FEE + '"kind" = { at = "Loai", codes = "kind" }\n"collection" = { at = "Thu", map = "a" }\n',
            "codes/kind.csv": "ours\nx\n",
        },
    )
    assert told["a.map.toml"].startswith("is not TOML: Invalid value (at ")
    assert told["b.map.toml agenzy"] == "is not a known key; did you mean `agency`?"
    assert told["b.map.toml agency"].startswith("is missing")
    assert told["b.map.toml fields.name.ass"] == "is not a known key; did you mean `as`?"
    assert 'if the path "owner.full_name" is meant, put it in quotes' in told["b.map.toml fields.owner.full_name"]
    assert told["c.map.toml canonical"] == "there is no model `Fees@1`; did you mean `Fee@1`?"
    assert "d.map.toml fields.kind" not in told, (
        "the table is there and its fault is told: not once more where it is used"
    )
    assert any(key.startswith("codes/kind.csv") for key in told)


def test_a_mapping_cannot_hold_itself(tmp_path: Path) -> None:
    text = 'canonical = "Relative@1"\nagency = ""\n[fields]\n"full_name" = { at = "X", map = "%s" }\n'
    told = refused(tmp_path, {"a.map.toml": text % "b", "b.map.toml": text % "a", "c.map.toml": text % "c"})
    assert told["a.map.toml fields"] == "stands inside itself, by way of `b`: a mapping cannot hold itself"
    assert "by way of `c`" in told["c.map.toml fields"]


@pytest.mark.parametrize(
    ("key", "line", "says"),
    [
        ("codee", "Ma", "is no field of Dossier; did you mean `code`?"),
        ("owner.full_nam", "Ma", "is no field of Owner; did you mean `full_name`?"),
        ("code.x", "Ma", "goes on below `code`, which holds no fields"),
        ("documents", {"at": "A[]", "map": "x"}, "is a list: write `documents[]`"),
        ("code[]", "Ma", "is no list: write it without `[]`"),
        (
            "documents.name",
            "Ma",
            "goes into the list `documents[]`: describe one item in a mapping of its own and name it in `map`",
        ),
        (
            "HoVaTen",
            "Ma",
            "is no path of ours: write `born_on`, `owner.full_name`, `documents[]`, or `owner/*` for a whole branch",
        ),
        ("owner/*", "Ma", "is a whole branch, which only [withheld] takes"),
        ("code", {"as": "trimmed"}, "needs either `at` or `parts`"),
        ("code", {"at": "A", "parts": ["B", "C"]}, "has both `at` and `parts`: which is it?"),
        (
            "code",
            "A//B",
            "`A//B` is no place: write `A/B`, `A[]`, `A[0]/B`, `{namespace}A/B`, or `A/*` for a whole branch",
        ),
        ("code", "A/*", "`A/*` is a whole branch, which only [dropped] takes"),
        ("code", "A[]", "`A[]`: a list of ours stands at one place that ends in `[]`, and only a list does"),
        (
            "fees[]",
            {"at": "A[]", "also": "B[]"},
            "a list stands at one place: neither alternatives, `parts` nor `also` then",
        ),
        (
            "code",
            {"at": ["A", "B"], "as": ["trimmed"]},
            "`as` needs one entry for each of the 2 places in `at`, and has 1",
        ),
        ("code", {"at": "A", "as": "trimed"}, "`trimed` is not a converter; did you mean `trimmed`?"),
        ("code", {"at": "A", "codes": "none"}, "there is no code table codes/none.csv"),
        ("status", {"at": "A", "codes": "stats"}, "there is no code table codes/stats.csv; did you mean `status`?"),
        (
            "status",
            {"at": "A", "codes": "status"},
            "code table `status` has `recieved`, which this field does not know; did you mean `received`?",
        ),
        ("received_at", "A", 'needs a converter: say how the agency writes it, e.g. as = "date yyyyMMdd"'),
        ("received_at", {"at": "A", "codes": "status"}, "takes no code table: only text, words and numbers have codes"),
        ("owner", "A", "holds a group: name its mapping in `map`"),
        ("owner", {"at": "A", "map": "own"}, "there is no mapping own.map.toml"),
        (
            "owner",
            {"at": "A", "map": "own", "as": "trimmed"},
            '`map` stands alone with one place: put `as`, `codes` and further places into the mapping that it names; only as = "json text" may stand beside it, for a group that is one text',
        ),
        ("code | owner", "A", "`|` chooses between single values, not between lists or groups"),
        (
            "code | received_at",
            "A",
            "`|` chooses between fields of one kind: `code` holds text, `received_at` holds other",
        ),
        (
            "code | note",
            {"at": ["A", "B", "C"]},
            "`|` has either one place, or in `at` one place for each of ours, and neither `parts` nor `also` then",
        ),
        ("code | nite", "A", "`nite` is no field of Dossier; did you mean `note`?"),
    ],
)
def test_a_faulty_line_is_refused_with_what_to_write(key: str, line: Any, says: str) -> None:
    codes = {"status": CodeTable("status", [CodeRow("recieved", "1")])}
    assert line_faults(fields={key: line}, codes=codes) == {f"fields.{key}": says}


def test_xml_holds_text_so_numbers_need_a_converter() -> None:
    told = line_faults("xml", "Attachment@1", fields={"quantity": "So", "name": "Ten"})
    assert told == {"fields.quantity": 'is a number and XML holds text: name a converter, e.g. as = "integer text"'}


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"fixed": {"A": "literal"}}, "is no source"),
        ({"fixed": {"A": "call.refrence"}}, "did you mean `call.reference`?"),
        ({"fixed": {"A": "payload"}}, "is for a text in XML"),
        ({"fixed": {"A": {"from": "=x", "as": "digits"}}}, "the literal does not fit its converter: a UUID is needed"),
        ({"fixed": {"A": {"from": "=x", "as": "digit"}}}, "did you mean `digits`?"),
        ({"fixed": {"A[]": "=x"}}, "stands for every item of a list"),
        ({"fixed": {"A/*": "=x"}}, "only [dropped] takes"),
        ({"fixed": {"Ma": "=x"}}, "has a line already: one place, one line"),
        ({"fixed": {"Ma/A": "=x"}}, "lies in `Ma`, which another line takes whole"),
        ({"fixed": {"": "=x"}}, "is empty: name a place"),
        ({"dropped": {"Ma": "why"}}, "has a line too: a place is mapped or dropped, not both"),
        ({"dropped": {"A": " "}}, "needs a reason"),
        ({"dropped": {"A//": "why"}}, "is no place"),
        ({"withheld": {"note": ""}}, "needs a reason"),
        ({"withheld": {"code": "why"}}, "has a line too: a field is mapped or withheld, not both"),
        ({"withheld": {"nite": "why"}}, "did you mean `note`?"),
        ({"withheld": {"HoVaTen": "why"}}, "an agency's place belongs in [dropped]"),
        ({"withheld": {"note/*": "why"}}, "has no branch below it"),
    ],
)
def test_a_faulty_place_of_the_other_tables_is_refused_with_what_to_write(tables: dict[str, Any], says: str) -> None:
    (told,) = line_faults(fields={"code": "Ma"}, **tables).values()
    assert says in told


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"code": "A", "note": "A"}, "has a line already: one place, one line"),
        ({"code": "A/B", "note": "A"}, "has other lines inside it, such as `A/B`"),
        ({"code": "A[0]/B", "note": "A/C"}, "is numbered in another line (`A[0]`): number it here too"),
        ({"code": "A/B", "note": "A[0]/C"}, "is numbered here and not in another line"),
        ({"code": "A", "summary": {"at": "B", "also": "A"}}, "`A` has a line already"),
    ],
)
def test_two_lines_that_want_one_place_are_refused(fields: dict[str, Any], says: str) -> None:
    (told,) = line_faults(fields=fields).values()
    assert says in told


@pytest.mark.parametrize(
    ("agency", "says"),
    [
        ("a[]", "a list is taken apart by the operation's `unwrap`"),
        ("a/*", "names one thing"),
        ("a[1]", "may only say [0]"),
    ],
)
def test_a_root_names_one_thing(agency: str, says: str) -> None:
    assert says in line_faults(agency=agency)["agency"]


def test_a_nested_mapping_has_no_root_of_its_own_and_the_right_model(tmp_path: Path) -> None:
    outer = 'canonical = "Dossier@1"\nagency = ""\n[fields]\n"fees[]" = { at = "A[]", map = "rooted" }\n"documents[]" = { at = "B[]", map = "fee" }\n'
    told = refused(
        tmp_path,
        {"m.map.toml": outer, "rooted.map.toml": FEE.replace('agency = ""', 'agency = "x"'), "fee.map.toml": FEE},
    )
    assert (
        told["m.map.toml fields.fees[]"]
        == 'mapping `rooted` has a root of its own: a mapping named by `map` says agency = ""'
    )
    assert told["m.map.toml fields.documents[]"] == "mapping `fee` is of Fee@1, and this field holds Document"


def test_a_refused_inner_mapping_is_told_once(tmp_path: Path) -> None:
    outer = 'canonical = "Dossier@1"\nagency = ""\n[fields]\n"fees[]" = { at = "A[]", map = "fee" }\n'
    assert list(refused(tmp_path, {"m.map.toml": outer, "fee.map.toml": FEE.replace("Gia", "")})) == [
        "fee.map.toml fields.amount"
    ]


@pytest.mark.parametrize("model", [MappingFile, Line, Fixed])
def test_every_key_is_described_with_an_example(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.examples, name


def test_the_examples_of_the_keys_are_valid_themselves() -> None:
    for model in (MappingFile, Line, Fixed):
        needed = (
            {"canonical": "Fee@1", "agency": ""} if model is MappingFile else {"from": "=x"} if model is Fixed else {}
        )
        for name, field in model.model_fields.items():
            for example in field.examples or ():
                model.model_validate({**needed, field.alias or name: example})


def test_a_file_of_the_folder_counts_before_one_under_it_inside_others_too(tmp_path: Path) -> None:
    """Two vendors of one system: the second writes down one line, and the tables around it are the first one's."""
    outer = 'canonical = "Supplement@1"\nagency = ""\n[fields]\n"id" = "Id"\n"fees[]" = { at = "Phi[]", map = "fee" }\n'
    first, second = tmp_path / "first", tmp_path / "second"
    load(first, {"round.map.toml": outer, "fee.map.toml": FEE})
    made = load(second, {"fee.map.toml": FEE.replace('"Ten"', '"TenPhi"')}, under=first)
    reading = made["round"].read({"Id": "1", "Phi": [{"TenPhi": "a", "Gia": "1"}]})
    assert reading is not None
    assert reading.value.model_dump()["fees"][0]["name"] == "a"


def test_a_fault_is_told_with_the_folder_whose_file_has_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (first / "fee.map.toml").write_text(FEE.replace('"amount"', '"amuont"'), "utf-8")
    with pytest.raises(FilesRefused) as caught:
        load(second, {"other.map.toml": FEE.replace('"name"', '"nmae"')}, under=first)
    assert {fault.file for fault in caught.value.faults} == {"first/fee.map.toml", "second/other.map.toml"}


SUPPLEMENT = (
    'canonical = "Supplement@1"\nagency = "ROW"\n[fields]\n"id" = "Id"\n"fees[]" = { at = "Phi[]", map = "fee" }\n'
)


def test_a_mapping_may_stand_in_another_form_than_its_neighbours_and_those_inside_it_follow(tmp_path: Path) -> None:
    made = load(tmp_path, {"a.map.toml": SUPPLEMENT, "fee.map.toml": FEE}, forms={"a": "xml"})
    row = etree.fromstring("<ROW><Id>1</Id><Phi><Ten>a</Ten><Gia>5</Gia></Phi></ROW>")
    reading = made["a"].read(row)
    assert reading is not None
    assert [fee.amount for fee in reading.value.fees] == [5]  # type: ignore[attr-defined]


def test_a_mapping_inside_two_of_different_forms_is_refused(tmp_path: Path) -> None:
    files = {"a.map.toml": SUPPLEMENT, "b.map.toml": SUPPLEMENT, "fee.map.toml": FEE}
    told = refused(tmp_path, files, forms={"a": "xml"})
    assert "write one for each" in told["fee.map.toml"]
    assert (
        "write one for each" in refused(tmp_path, files, forms={"a": "xml", "b": "xml", "fee": "json"})["fee.map.toml"]
    )
