"""What `deploy/` holds fits the hub: its settings load, its libraries are those that are tested, its unit is sound."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from connectors.kit.manifest import load_manifest
from connectors.kit.registry import find_connectors
from hub.app.build import STOP_GRACE
from hub.app.opening import redis_address, store_address
from hub.settings import POSTGRESQL, load_settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OPERATE = ROOT / "docs/guide/operate.md"
STORE = "postgresql://hub:made-up@postgres:5432/hub"


def _environ(text: str, pattern: str) -> dict[str, str]:
    return {name: value for name, value in re.findall(pattern, text, flags=re.MULTILINE) if name.startswith("HUB_")}


def _pinned(file: Path) -> set[str]:
    return {line.split(" ")[0] for line in file.read_text("utf-8").splitlines() if "==" in line}


def test_the_settings_of_the_containers_load(tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    environ = _environ(text, r"^ *(HUB_\w+): (\S+)")
    assert set(re.findall(r"HUB__HUB__NODE: (\w+)", text)) == {"hub_1", "hub_2"}
    (tmp_path / "hub_store").write_text(STORE + "\n", "utf-8")
    environ["HUB__HUB__STORE"] = f"file:{tmp_path / 'hub_store'}"
    shutil.copy(DEPLOY / "hub.toml.example", tmp_path / "hub.toml")
    settings = load_settings(environ | {"HUB__HUB__NODE": "hub_1"}, tmp_path / "hub.toml")
    assert store_address(settings, environ) == STORE
    assert redis_address(settings, environ) == "redis://redis:6379/0"
    known = load_manifest(find_connectors()["npsp"]).settings
    assert set(settings.agencies["npsp"].settings) <= set(known)


def test_the_settings_of_the_unit_load(tmp_path: Path) -> None:
    text = (DEPLOY / "lienthong@.service").read_text("utf-8")
    given = "\n".join(line for line in text.splitlines() if line.startswith("Environment="))
    environ = _environ(given, r"(HUB_\w+)=(\S+)")
    shutil.copy(DEPLOY / "hub.toml.example", tmp_path / "hub.toml")
    environ |= {"HUB__HUB__NODE": "hub_1", "HUB__HUB__STORE": STORE}
    assert load_settings(environ, tmp_path / "hub.toml").hub.store.startswith(POSTGRESQL)


def test_every_secret_that_the_containers_name_is_handed_to_them() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    named = set(re.findall(r"file:/run/secrets/(\w+)", text + (DEPLOY / "hub.toml.example").read_text("utf-8")))
    handed = re.search(r"^x-hub:.*?^  secrets: \[(.*?)\]", text, flags=re.MULTILINE | re.DOTALL)
    files = set(re.findall(r"^  (\w+): \{ file: secrets/\1 \}", text, flags=re.MULTILINE))
    assert handed is not None
    assert named == set(handed[1].split(", "))
    assert named | {"postgres_password"} == files


def test_no_secret_and_no_register_comes_into_git_or_into_the_image() -> None:
    ignored = set((ROOT / ".gitignore").read_text("utf-8").splitlines())
    assert {"deploy/hub.toml", "deploy/secrets/", "deploy/registers/"} <= ignored
    seen = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    assert sorted(seen) == sorted(name for names in copied for name in names.split())


def test_a_stop_is_given_longer_than_any_exchange_may_take() -> None:
    longest = max(load_manifest(folder).contract.call_timeout for folder in find_connectors().values()) + STOP_GRACE
    unit = re.search(r"TimeoutStopSec=(\d+)", (DEPLOY / "lienthong@.service").read_text("utf-8"))
    containers = re.search(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.yaml").read_text("utf-8"))
    assert unit is not None
    assert containers is not None
    assert min(int(unit[1]), int(containers[1])) > max(longest, 120 + STOP_GRACE), (
        "120 s is the most a manifest may say"
    )


def test_the_image_has_the_versions_that_are_tested() -> None:
    assert _pinned(DEPLOY / "requirements.lock") <= _pinned(ROOT / "requirements.lock")


def test_the_image_is_made_of_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    assert copied
    assert [name for names in copied for name in names.split() if not (ROOT / name).exists()] == []


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: the unit is not verified"
)
def test_the_unit_is_sound_and_hardened(tmp_path: Path) -> None:
    unit = tmp_path / "lienthong@.service"
    text = (DEPLOY / "lienthong@.service").read_text("utf-8")
    unit.write_text(text.replace("/opt/lienthong/bin/hub", "/bin/true"), "utf-8")
    (drop_in,) = re.findall(r"^```ini\n(.*?)^```", OPERATE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "lienthong@.service.d").mkdir()
    (tmp_path / "lienthong@.service.d/agencies.conf").write_text(drop_in, "utf-8")
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    weighed = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit], capture_output=True, text=True
    )
    assert weighed.returncode == 0, "an exposure above 2.0 of 10"
