"""Bytes of an agency become a tree or a rule that they break; never more than a moment's work."""

import time

import pytest

from connectors.kit.texts import Unreadable, parse_json, parse_xml

BOMB = (
    b'<!DOCTYPE a [<!ENTITY a0 "x">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
    + b']><a b="&a11;">&a11;</a>'
)


def json_fault(body: bytes, charset: str = "utf-8") -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        parse_json(body, {"content-type": f"application/json; charset={charset}"})
    return refused.value


def xml_fault(body: bytes) -> Unreadable:
    with pytest.raises(Unreadable) as refused:
        parse_xml(body, {})
    return refused.value


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        ('{"a": "Đỗ"}'.encode(), "utf-8"),
        ('{"a": "Đỗ"}'.encode(), "iso-8859-1"),
        ('\ufeff{"a": "Đỗ"}'.encode(), "utf-8"),
        ('{"a": "Đỗ"}'.encode("utf-16"), "utf-8"),
        ('{"a": "Đỗ"}'.encode("utf-16-le"), "utf-16-le"),
        ('{"a": "Đỗ"}'.encode(), "no-such-charset"),
    ],
)
def test_json_is_read_whatever_its_header_claims(body: bytes, charset: str) -> None:
    assert parse_json(body, {"content-type": f"application/json; charset={charset}"}) == {"a": "Đỗ"}


@pytest.mark.parametrize("body", [b"", b"  ", b'{"a": 1', b'{"a": "x', b"["])
def test_json_that_ends_in_the_middle_is_truncated(body: bytes) -> None:
    assert json_fault(body).truncated


@pytest.mark.parametrize(
    "body",
    [b"<html></html>", b"nothing", b'{"a": NaN}', b'{"a": 1}}', b'{"a": "\xe9"}', b"[" * 100_000 + b"]" * 100_000],
)
def test_what_is_not_json_is_told_apart_from_truncation(body: bytes) -> None:
    assert not json_fault(body).truncated


@pytest.mark.parametrize(
    "body",
    [
        "<a>Đỗ</a>".encode(),
        '<?xml version="1.0" encoding="windows-1258"?><a>Đỗ</a>'.encode(),
        '<?xml version="1.0" encoding="UTF-16"?><a>Đỗ</a>'.encode(),
        '<?xml version="1.0" encoding="UTF-16"?><a>Đỗ</a>'.encode("utf-16"),
        '\n <?xml version="1.0"?><!-- x --><a>Đỗ</a>\n'.encode(),
        "\ufeff<a>Đỗ</a>".encode(),
    ],
)
def test_xml_is_read_whatever_it_declares(body: bytes) -> None:
    assert parse_xml(body, {"content-type": "text/xml; charset=iso-8859-1"}).text == "Đỗ"


def test_xml_in_an_old_encoding_is_read_by_its_header_or_its_declaration() -> None:
    assert parse_xml("<a>é</a>".encode("latin1"), {"content-type": "text/xml; charset=iso-8859-1"}).text == "é"
    assert parse_xml('<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>'.encode("latin1"), {}).text == "é"


@pytest.mark.parametrize("body", [b"", b"<a><b>", b"<a", b"<a><b></b>", b"<a>text"])
def test_xml_that_ends_in_the_middle_is_truncated(body: bytes) -> None:
    assert xml_fault(body).truncated


@pytest.mark.parametrize(
    "body", [b"<html><br></html>", b"<html/>", b"nothing", b"{}", "<a>é</a>".encode("latin1"), b"<a>\x00</a>"]
)
def test_what_is_not_xml_is_told_apart_from_truncation(body: bytes) -> None:
    assert not xml_fault(body).truncated


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        BOMB,
        b"<a>" * 257 + b"</a>" * 257,
        b"<a>" * 1_000_000,
    ],
)
def test_dangerous_xml_is_refused_in_a_moment(body: bytes) -> None:
    begun = time.perf_counter()
    xml_fault(body)
    assert time.perf_counter() - begun < 0.5


def test_a_fault_never_repeats_what_the_bytes_hold() -> None:
    assert "999000000001" not in str(json_fault(b'{"a": 999000000001 x}')) + str(xml_fault(b"<a>999000000001</b>"))
