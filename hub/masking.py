"""
Settings as they may be printed: no secret, no password in an address. `hub doctor` and the admin door show them so.
"""

from collections.abc import Mapping
from typing import Any

from hub.settings import POSTGRESQL, REFERENCES, SQLITE, Settings, Table

MASK = "***"


def masked(settings: Settings, plain: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """
    Return the settings as a table to print: no secret, no password in an address.

    *plain* names, per agency, the settings that its connector declares as not secret; any other is masked. A reference
    is shown as it is written, since it only says where the secret lies.
    """
    table = settings.model_dump(mode="json", exclude_none=True, exclude={"folder"})
    table["hub"]["admin_key"] = _mask(settings.hub.admin_key)
    table["hub"]["signing_key"] = _mask(settings.hub.signing_key)
    table["hub"]["sealing_key"] = _mask(settings.hub.sealing_key)
    table["hub"]["store"] = masked_store(settings)
    table["hub"]["redis"] = (
        without_password(settings.hub.redis) if "://" in settings.hub.redis else _mask(settings.hub.redis)
    )
    for name, route in settings.routes.items():
        table["routes"][name] |= {key: _mask(getattr(route, key)) for key in secrets_of(route) if getattr(route, key)}
    for name, agency in settings.agencies.items():
        entry = table["agencies"][name]
        entry["base_url"] = without_password(agency.base_url)
        shown = plain.get(name, frozenset())
        entry.update({key: value if key in shown else _mask(value) for key, value in agency.settings.items()})
    return table


def masked_store(settings: Settings) -> str:
    """Return where calls are kept, to print: without the password that an address of PostgreSQL may hold."""
    written = settings.hub.store
    if not written.startswith(POSTGRESQL):
        return written if written.startswith(SQLITE) else _mask(written)
    address, _, options = written.partition("?")
    return f"{without_password(address)}?{MASK}" if "password" in options else without_password(written)


def secrets_of(table: Table) -> list[str]:
    """Return the keys of *table* whose values are secrets."""
    marked = {key: field.json_schema_extra for key, field in type(table).model_fields.items()}
    return [key for key, extra in marked.items() if isinstance(extra, dict) and extra.get("secret")]


def _mask(value: str) -> str:
    return value if not value or (value.startswith(REFERENCES) and not value.startswith("cmd:")) else MASK


def without_password(url: str) -> str:
    """Return *url* with all that stands before its last `@` masked: a password that is not encoded may hold any sign."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{MASK}@{rest.rpartition('@')[2]}" if "@" in rest else url
