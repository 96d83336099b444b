"""
How Vietnamese text is cleaned and compared. Read by every canonical field; `values_text.py` offers it to mappings.

Two spellings of one name may differ in code points without differing to the eye: NFC and NFD, hoà and hòa,
Đ (U+0110) and the Icelandic Ð (U+00D0) that old fonts leave behind. Each function here settles one of these.
"""

import re
import unicodedata

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_SPACES = re.compile(r"\s+")
_ICELANDIC_TO_VIETNAMESE = str.maketrans({"Ð": "Đ", "ð": "đ"})
_D_WITHOUT_STROKE = str.maketrans({"Đ": "D", "đ": "d", "Ð": "D", "ð": "d"})
_TONES = ("\u0300", "\u0301", "\u0303", "\u0309", "\u0323")  # huyền, sắc, ngã, hỏi, nặng


_MARKS_IN_A_ROW = 30
"""What the Stream-Safe Text Format allows (Unicode Standard Annex 15, section 13); Vietnamese needs two."""
_PAIRS_OF_MARKS = "\u0f73\u0f75\u0f81"
"""Tibetan vowel signs that are no marks by their class, but come apart into two."""
_LONGEST = 500_000
"""Letters of a text that is looked at: five times what any field takes, since NFC makes one letter of up to four."""
_SHORT = 256
"""Letters that are normalized in microseconds, whatever they are."""


def nfc(text: str) -> str:
    """
    Return *text* in NFC.

    Raises:
        ValueError: It is longer than any field, or more than thirty combining marks stand in a row. Putting them in order
            takes time that grows with the square of their number, in one step that nothing can interrupt: a megabyte
            would stop the hub for minutes.
    """
    if len(text) > _LONGEST:
        raise ValueError("text is far longer than any field takes")
    if len(text) > _SHORT:
        run = 0
        for letter in text:
            run = run + 1 if unicodedata.combining(letter) or letter in _PAIRS_OF_MARKS else 0
            if run > _MARKS_IN_A_ROW:
                raise ValueError(f"text holds more than {_MARKS_IN_A_ROW} combining marks in a row")
    return unicodedata.normalize("NFC", text)


def nfc_if_safe(text: str) -> str:
    """Return *text* in NFC, or as it is where `nfc` refuses: what reads it next will refuse it by name."""
    try:
        return nfc(text)
    except ValueError:
        return text


def clean(text: str) -> str:
    """
    Return *text* in NFC without surrounding white space.

    Raises:
        ValueError: A control character or lone surrogate is inside, which neither XML nor an agency's database takes;
            or it is not to be normalized (`nfc`).
    """
    text = text.strip()
    if not text.isascii() or len(text) > _LONGEST:
        text = nfc(text)
    if not text.isprintable() and _FORBIDDEN.search(
        text
    ):  # all that is forbidden is unprintable; the search costs ten times as much
        raise ValueError("text holds a control character, which no agency accepts")
    return text


def clean_name(text: str) -> str:
    """Return *text* cleaned, with single spaces and with U+00D0 (Ð) made the Vietnamese Đ. Raises as `clean` does."""
    return _SPACES.sub(" ", clean(text)).translate(_ICELANDIC_TO_VIETNAMESE)


def upper_name(text: str) -> str:
    """Return a name as the population database wants it: upper case with accents, single spaces, NFC."""
    return nfc(clean_name(text).upper())


def without_accents(text: str) -> str:
    """Return *text* in plain Latin letters, case kept. đ is mapped by hand because NFD does not decompose it."""
    apart = unicodedata.normalize("NFD", clean(text).translate(_D_WITHOUT_STROKE))
    return nfc("".join(letter for letter in apart if not unicodedata.combining(letter)))


def comparison_key(name: str) -> str:
    """
    Return what two spellings of one name have in common: upper-case letters and digits without accents.

    "Nguyễn Văn Hoà", "NGUYỄN  VĂN HÒA" and "nguyen-van-hoa" share one key. Different people may share a key too,
    so it may find a record, never prove one.
    """
    return "".join(letter for letter in without_accents(name).upper() if letter.isalnum())


def _tone_moves() -> dict[str, str]:
    """Return each vowel pair with the tone on its second letter (hoà) beside the same pair with it on the first (hòa)."""
    moves = {}
    for first, second in ("oa", "oe", "uy"):
        for tone in _TONES:
            for a, b in ((first, second), (first.upper(), second), (first.upper(), second.upper())):
                moves[nfc(a + b + tone)] = nfc(a + tone + b)
    return moves


_TONE_MOVES = _tone_moves()
_LATE_TONE = re.compile(rf"(?<![qQ])(?:{'|'.join(_TONE_MOVES)})(?!\w)")


def unified_tones(text: str) -> str:
    """Return *text* with the tone of open oa, oe, uy on the first vowel (hoà -> hòa), for exact comparison of spellings."""
    return _LATE_TONE.sub(lambda pair: _TONE_MOVES[pair[0]], clean(text))
