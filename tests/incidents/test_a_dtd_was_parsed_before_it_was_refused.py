"""
A DTD was looked for in what had been parsed. One of 200 KiB with thousands of default attributes took the parser more
than a second, and held the loop; no text of an agency is parsed now before its prolog has been looked at.
"""

import time

import pytest

from connectors.kit.texts import Unreadable, parse_json, parse_xml

ATTRIBUTES = " ".join(f'a{number} CDATA "v"' for number in range(15_000))
DTD = f"<!DOCTYPE x [<!ATTLIST x {ATTRIBUTES}>]><x/>"
BEFORE = ["", "\ufeff", " \n", "<?xml version='1.0'?>\n", "<!-- <x> -->", "<!-- a --> <?a b?>\n<!--?>-->"]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_dtd_is_refused_unparsed_wherever_it_stands(before: str, encoding: str) -> None:
    began = time.process_time()
    with pytest.raises(Unreadable, match="has a DTD"):
        parse_xml((before + DTD).encode(encoding), {})
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ("", "cp1258"),
        ("<?xml version='1.0' encoding='windows-1258'?>", "cp1258"),
        ("<?xml encoding='x-no'?>", "cp1258"),
    ],
)
def test_a_dtd_cannot_hide_in_another_encoding(declaration: str, encoding: str) -> None:
    headers = {} if declaration else {"content-type": f"text/xml; charset={encoding}"}
    with pytest.raises(Unreadable):
        parse_xml((declaration + "<!-- \xe0 -->" + DTD).encode(encoding), headers)
    began = time.process_time()
    with pytest.raises(Unreadable):
        parse_xml(DTD.encode("cp037"), headers)  # EBCDIC, which libxml2 would recognise by itself
    assert time.process_time() - began < 0.1


def test_a_text_may_speak_of_a_dtd() -> None:
    assert parse_xml(b"<a><![CDATA[<!DOCTYPE x []>]]></a>", {}).text == "<!DOCTYPE x []>"
    assert parse_xml(b"<!-- <!DOCTYPE x []> --><a>b</a>", {}).text == "b"


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "rot13", "zlib", "unicode_escape", "x" * 5000])
def test_a_charset_that_is_none_is_told(charset: str) -> None:
    headers = {"content-type": f"text/xml; charset={charset}"}
    with pytest.raises(Unreadable):
        parse_xml(b"<a>\xff\xfe\xfd</a", headers)
    with pytest.raises(Unreadable):
        parse_json(b'{"a": "\xff\xfe\xfd"', headers)
