"""
What the tables of `hub.toml` are made of: names, numbers, addresses, secrets. Used by `settings.py` and `route_tables.py`.
"""

import tomllib
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Table(BaseModel):
    """A table of `hub.toml`: unknown keys and wrong types are faults."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def number(value: object) -> object:
    """Read a number or a list that the environment gave as text."""
    if isinstance(value, str):
        try:
            return tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            return value
    return value


Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
MOST_PORT = 65_535


def _with_port(address: str) -> str:
    if int(address.rpartition(":")[2]) > MOST_PORT:
        raise ValueError(f"has a port above {MOST_PORT}, which no machine has")
    return address


Address: TypeAlias = Annotated[
    str, Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):[0-9]{1,5}$"), AfterValidator(_with_port)
]
"""`host:port`; port 0 takes a free one."""
Number: TypeAlias = Annotated[float, BeforeValidator(number), Field(gt=0, allow_inf_nan=False)]
Secret: TypeAlias = Annotated[str, Field(json_schema_extra={"secret": True})]
"""Masked when printed, unless it is a reference."""
OptionalSecret: TypeAlias = Annotated[str | None, Field(json_schema_extra={"secret": True})]
"""A secret that need not be given."""
Count: TypeAlias = Annotated[int, BeforeValidator(number), Field(ge=1)]
FileHost: TypeAlias = Annotated[str, Field(pattern=r"^[^\s/@?#]+(/\d{1,3})?$")]
