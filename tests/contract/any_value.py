"""Any value of a canonical model, made from what its fields say of themselves: for properties that hold of every mapping."""

import inspect
import types
from datetime import UTC, date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo

from mappings.canonical.kinds import VIETNAM, OfAFile
from mappings.canonical.partial_date import PartialDate

LETTERS = "aàảãáạăằâấbcdđeèêềghiìklmnoòôồơờpqrstuùưừvxyỳABCDĐEÊNTỲ0123456789 ,./&<>\"'"
WORDS = st.text(LETTERS, min_size=1, max_size=30).map(lambda text: " ".join(text.split())).filter(bool)
CODES = st.from_regex(r"[A-Z0-9][A-Z0-9.\-]{0,12}", fullmatch=True)
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
MOMENTS = st.integers(631_152_000, 4_102_444_800).map(
    lambda second: datetime.fromtimestamp(second, UTC).astimezone(VIETNAM)
)
YEARS = st.integers(1900, 2100)
PARTS = (
    st.builds(PartialDate.of, DAYS) | st.builds(PartialDate, YEARS) | st.builds(PartialDate, YEARS, st.integers(1, 12))
)
BY_RULE: dict[str, st.SearchStrategy[str]] = {
    "citizen_id": st.from_regex(r"000[0-9]{9}", fullmatch=True),
    "old_id": st.from_regex(r"0000[0-9]{5}", fullmatch=True),
    "tax_code": st.sampled_from(["0100109106", "0100109106-001", "000180000011"]),
    "dossier_code": st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.H32-26[0-9]{4}-[0-9]{4,5}", fullmatch=True),
    "agency_code": st.from_regex(r"H(32|43)\.[0-9]{2}|[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.H32", fullmatch=True),
    "procedure_code": st.from_regex(r"[1-9]\.[0-9]{6}(\.H32|\.000\.00\.00\.H32)?", fullmatch=True),
    "card_number": st.from_regex(r"TE1560[0-9]{9}|0000[0-9]{6}|000[0-9]{9}", fullmatch=True),
    "phone": st.from_regex(r"09[0-9]{8}", fullmatch=True),
}
"""Texts by the rule of `mappings/identifiers.py` that they must pass."""
OFTEN: dict[str, st.SearchStrategy[str]] = {"^[0-9]{2}$": st.just("38")}
"""Texts by their pattern that come often: the post's table of provinces knows one."""


def any_value(model: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return any value of *model*, each field given or not; what its own rules refuse is not among them."""
    fields = {name: _of(field.annotation, tuple(field.metadata)) for name, field in model.model_fields.items()}

    def made(given: dict[str, Any]) -> Any:
        try:
            return model(**given)
        except ValidationError:
            return None

    return st.fixed_dictionaries(fields).map(made).filter(lambda value: value is not None)


def _of(annotation: Any, about: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(arguments[0], (*about, *arguments[1:]))
    if origin in (Union, types.UnionType):
        return st.one_of([_of(one, about) for one in arguments])
    if origin is tuple:
        return st.lists(_of(arguments[0], ()), max_size=2).map(tuple)
    if origin is Literal:
        return st.sampled_from(arguments)
    if annotation is type(None):
        return st.none()
    if issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    if issubclass(annotation, BaseModel):
        return any_value(annotation)
    plain = {bool: st.booleans(), PartialDate: PARTS, datetime: MOMENTS, AwareDatetime: MOMENTS, date: DAYS}
    if annotation in plain:
        return plain[annotation]
    facts = [inner for one in about for inner in (one.metadata if isinstance(one, FieldInfo) else [one])]
    if annotation is int:
        return st.integers(_fact(facts, "ge", 0), min(_fact(facts, "le", 10**6), 10**12))
    assert annotation is str, f"no values are known for {annotation}"
    return _text(facts)


def _text(facts: list[Any]) -> st.SearchStrategy[str]:
    for one in facts:
        if isinstance(one, OfAFile) and one.or_address:
            return CODES.map(lambda code: f"https://files.centre.example/{code}")
        rule = inspect.getclosurevars(one.func).nonlocals.get("rule") if isinstance(one, BeforeValidator) else None
        if getattr(rule, "__name__", "") in BY_RULE:
            return BY_RULE[rule.__name__]
    pattern, longest = _fact(facts, "pattern", None), _fact(facts, "max_length", 30)
    if pattern is not None:
        return OFTEN.get(pattern, st.nothing()) | st.from_regex(pattern, fullmatch=True)
    return (CODES if longest <= 50 else WORDS).map(lambda text: text[:longest])


def _fact(facts: list[Any], name: str, default: Any) -> Any:
    found = (value for one in facts if (value := getattr(one, name, None)) is not None)
    return next(found, default)
