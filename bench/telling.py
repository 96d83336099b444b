"""
What agencies tell in `inbound.py`: notices of two connectors, each a new one, signed and ready to be sent.

`python -m bench.telling <what to do, as JSON>` is an agency that floods, in a process of its own: it sends the same
notice many times a second for as long as it is told to, and then says what it was answered.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import load
from connectors.kit.manifest import Manifest, load_manifest
from hub.cli.sandbox import invented_settings

JSON = {"Content-Type": "application/json; charset=utf-8"}
Body = dict[str, Any]
_CODE = "000.00.14.H32-261123-{:08d}"


@dataclass(frozen=True, slots=True)
class Notice:
    """One kind of notice, as its sample of the connector says it."""

    agency: str
    name: str
    sample: str
    renew: Callable[[Body, int, Path, str], None]
    """Makes a body the n-th of its kind, true under the settings that are invented for the folder, about a payment."""

    @property
    def path(self) -> str:
        return f"/in/{self.agency}/{self.name}"

    def bodies(self, connector: Path, numbers: Iterable[int], payment: str) -> list[bytes]:
        """Return a body for each of *numbers*, no two the same to the hub; *payment* is the reference of one."""
        text = (connector / "samples" / f"{self.name}.{self.sample}" / "request.agency.json").read_text("utf-8")
        found = []
        for number in numbers:
            body = json.loads(text)
            self.renew(body, number, connector, payment)
            found.append(json.dumps(body, ensure_ascii=False).encode())
        return found

    def reply(self, connector: Path) -> Path:
        """Return the file with what the agency hears when it is taken."""
        return connector / "samples" / f"{self.name}.{self.sample}" / "reply.agency.json"


@cache
def _known(connector: Path) -> tuple[Mapping[str, str], Manifest]:
    return invented_settings(connector), load_manifest(connector)


def _settled(body: Body, number: int, connector: Path, payment: str) -> None:
    settings, manifest = _known(connector)
    body["MaDoiTac"], body["MaThamChieu"] = settings["partner_code"], payment
    body["MaGiaoDich"] = f"GD{number:08d}"
    signed = manifest.notices["payment_settled"].signed
    assert signed is not None
    texts = [settings[one.removeprefix("settings.")] if "." in one else str(body[one]) for one in signed.of]
    body[signed.at] = hashlib.sha256("|".join(texts).encode()).hexdigest()


def _withdrawn(body: Body, number: int, connector: Path, _: str) -> None:
    body["SecurityKey"] = _known(connector)[0]["security_key"]
    body["Data"]["MaHoSo"] = _CODE.format(number)


SETTLED = Notice("payment", "payment_settled", "taken", _settled)
"""
A payment: ten fields and a key are signed, it finds its call by a reference, and its amount has to be what the call said.

A platform tells of each payment once. Lab copies take another number of the transaction for another notice (`many_of_one`),
so that one payment is enough.
"""
WITHDRAWN = Notice("npsp", "dossier_withdrawn", "taken", _withdrawn)
"""The smallest: a dossier, a reason, a moment. The dossier is one that nobody has filed here."""
STARTED: Final = "start_payment.started"
"""Sample of the call that `SETTLED` belongs to."""


def many_of_one(connector: Path) -> None:
    """Let the lab copy in *connector* take many notices of one payment."""
    manifest = connector / "manifest.toml"
    text = manifest.read_text("utf-8")
    changed = text.replace('unique        = ["MaThamChieu", "MaLoi"]', 'unique        = ["MaThamChieu", "MaGiaoDich"]')
    assert changed != text, "the manifest says there what makes two notices one"
    manifest.write_text(changed, "utf-8")


async def flood(url: str, path: str, body: str, per_second: float, seconds: float) -> Mapping[str, float]:
    """Send *body* to *path* so often; return how many there were, by status, and in how many seconds (`wall`)."""
    raw = load.http_request(url + path, body.encode(), JSON)
    os.nice(19)  # anything else on its core goes before
    print("begun", flush=True)
    began = time.monotonic()
    dues = [began + number / per_second for number in range(int(per_second * seconds))]
    heard = await load.on_schedule(url, lambda _: raw, dues)
    counts: dict[str, float] = {}
    for one in heard:
        counts[str(one.status)] = counts.get(str(one.status), 0) + 1
    return counts | {"wall": time.monotonic() - began}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(flood(**json.loads(sys.argv[1])))), flush=True)
