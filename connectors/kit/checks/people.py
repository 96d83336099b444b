"""
Rules that keep real people and real systems out of the repository: samples speak of nobody who exists.
"""

import re
from collections.abc import Iterator
from typing import Any

from connectors.kit.checks.folder import Folder
from mappings.errors import FileFault

INVENTED = ("000", "999")
"""First digits of invented numbers: no province has these codes, so no person can have the number."""
_NUMBER_FIELDS = frozenset({"citizen_id", "old_id", "identity_number", "number"})
_LIKE_A_CITIZEN_ID = re.compile(r"(?<![0-9])0[0-9]{11}(?![0-9])")
_ADDRESS = re.compile(r"https?://([^/\s:\"'<>]+)")
_NAMESPACE = re.compile(r"xmlns(:\w+)?\s*=\s*(\\?\"[^\"]*\"|'[^']*')")
"""Also as it stands in a text of JSON, where quotes are escaped."""
_HARMLESS_HOSTS = ("localhost", "127.0.0.1")


def people_are_invented(folder: Folder) -> Iterator[FileFault]:
    """Every citizen's number in a sample begins with 000 or 999, which no real one does."""
    for sample in folder.samples:
        place = folder.file(f"samples/{sample.name}")
        for side, value in (("request", sample.request), ("reply", sample.reply)):
            for path in _real_numbers(value, ""):
                yield FileFault(
                    f"{place}/{side}.canonical.json", path, "does not begin with 000 or 999; invent the person"
                )
        for side, body in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            found = _LIKE_A_CITIZEN_ID.findall((body or b"").decode("utf-8", "replace"))
            if any(not number.startswith(INVENTED) for number in found):
                file = f"{place}/{side}.agency.{sample.media}"
                yield FileFault(
                    file, "", "holds 12 digits that may be a real citizen id; let them begin with 000 or 999"
                )
        if any(
            not number.startswith(INVENTED)
            for value in sample.sources.values()
            for number in _LIKE_A_CITIZEN_ID.findall(value)
        ):
            yield FileFault(
                f"{place}/sample.toml",
                "sources",
                "hold 12 digits that may be a real citizen id; let them begin with 000 or 999",
            )


def _real_numbers(value: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            here = f"{at}.{name}" if at else name
            if name in _NUMBER_FIELDS and isinstance(inner, str) and inner.isdigit() and not inner.startswith(INVENTED):
                yield here
            yield from _real_numbers(inner, here)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _real_numbers(inner, f"{at}[{number}]")


def hosts_are_invented(folder: Folder) -> Iterator[FileFault]:
    """Every address in a sample is at a host of `.example`, so that nothing a test does can reach a real system."""
    for sample in folder.samples:
        for side, body in (("request", sample.request_agency), ("reply", sample.reply_agency)):
            text = _NAMESPACE.sub("", (body or b"").decode("utf-8", "replace"))
            for host in _ADDRESS.findall(text):
                if host not in _HARMLESS_HOSTS and not host.endswith(".example") and host != "example":
                    file = folder.file(f"samples/{sample.name}/{side}.agency.{sample.media}")
                    yield FileFault(file, "", f"names the host `{host}`; write one that ends in .example")
