"""
Where two payloads differ, told by place and never by value. Used by the rules on samples.
"""

from typing import Any

from lxml import etree


def xml_difference(one: etree._Element, other: etree._Element, at: str = "") -> str | None:
    """Return the first place where two elements differ, or None; prefixes, comments and blanks between elements do not count."""
    here = f"{at}/{etree.QName(one).localname}" if at else etree.QName(one).localname
    if one.tag != other.tag or sorted(one.items()) != sorted(other.items()):
        return here
    if len(one) != len(other) or (not len(one) and (one.text or "").strip() != (other.text or "").strip()):
        return here
    return next(
        (
            place
            for mine, theirs in zip(one, other, strict=True)
            if (place := xml_difference(mine, theirs, here)) is not None
        ),
        None,
    )


def json_difference(one: Any, other: Any, at: str = "") -> str | None:
    """Return the first place where two JSON values differ, or None; the order of keys does not count."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(str(key) for key in (*one, *other)):
            here = f"{at}/{name}" if at else name
            if name not in one or name not in other:
                return here
            if (place := json_difference(one[name], other[name], here)) is not None:
                return place
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next(
            (
                place
                for number, (mine, theirs) in pairs
                if (place := json_difference(mine, theirs, f"{at}[{number}]")) is not None
            ),
            None,
        )
    return None if type(one) is type(other) and one == other else at or "the whole"
