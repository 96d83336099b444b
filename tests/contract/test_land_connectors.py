"""What both vendors' systems of a land office have in common, whatever their names for it."""

from typing import Any

import pytest

from connectors.kit.registry import find_connectors, load_connector
from mappings.canonical.transfer import ResultConfirmation

SYSTEMS = {name: load_connector(folder) for name, folder in find_connectors().items() if name.startswith("land_")}
SOURCES = {"officer.account": "000080000099"}
every_system = pytest.mark.parametrize("system", SYSTEMS)


def mapping_of(system: str, operation: str) -> Any:
    connector = SYSTEMS[system]
    return connector.mappings[connector.manifest.operations[operation].sends or ""]


@every_system
def test_an_hour_in_the_province_is_the_same_hour_in_universal_time(system: str) -> None:
    value = ResultConfirmation.model_validate_json(
        '{"dossier": "000.00.14.H32-261123-0001", "returned_at": "2026-11-24T02:30:00+07:00"}'
    )
    assert mapping_of(system, "confirm_result").write(value, SOURCES)["NgayTra"] == "2026-11-23T19:30:00Z"
