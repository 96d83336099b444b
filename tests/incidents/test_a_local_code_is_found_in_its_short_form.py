"""
A dossier filed under a local procedure code could never be verified: it was compared with the short code found again.

The portal's catalogue knows `1.001776`; the centre files under `1.001776.000.00.00.H56`, which the mapping shortens.
"""

from typing import Any

import pytest
from pydantic_core import to_json

from connectors.kit.operation import agrees
from connectors.kit.registry import Connector, find_connectors, load_connector
from mappings.canonical import Dossier

DOSSIER: dict[str, Any] = {
    "code": "000.00.14.H32-261123-0001",
    "procedure_code": "1.001776.000.00.00.H56",
    "procedure_name": "Thủ tục thử nghiệm số một",
    "owner": {"full_name": "Nguyễn Thị Mẫu", "kind": "citizen"},
    "summary": "Đề nghị cấp giấy chứng nhận thử nghiệm",
    "received_at": "2026-11-23T20:05:09+07:00",
    "status": "received",
}


@pytest.fixture(scope="module")
def portal() -> Connector:
    return load_connector(find_connectors()["npsp"])


def dossier(**other: Any) -> Dossier:
    return Dossier.model_validate_json(to_json({**DOSSIER, **other}))


@pytest.mark.parametrize("step", ["file_dossier", "update_dossier"])
def test_a_dossier_filed_under_a_local_code_is_known_by_its_short_code(portal: Connector, step: str) -> None:
    look_up, filing = portal.operations["lookup_dossier"], portal.operations[step]
    assert agrees(look_up, filing, dossier(), dossier(procedure_code="1.001776"))
    assert agrees(look_up, filing, dossier(procedure_code="1.001776"), dossier(procedure_code="1.001776"))


@pytest.mark.parametrize(
    "differs",
    [{"procedure_code": "1.001777"}, {"code": "000.00.14.H32-261123-0002"}, {"status": "processing"}],
)
def test_another_dossier_is_still_another(portal: Connector, differs: dict[str, str]) -> None:
    look_up, filing = portal.operations["lookup_dossier"], portal.operations["file_dossier"]
    assert not agrees(look_up, filing, dossier(), dossier(**{"procedure_code": "1.001776", **differs}))
