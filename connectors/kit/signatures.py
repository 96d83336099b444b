"""
Signatures over fields in a fixed order: `sign` puts one into what we send, `signed` proves what we receive.

A signature is a pure function of texts. The schemes are the kit's, as handshakes are; see `auth.py`.
"""

import difflib
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from connectors.kit.auth import same
from connectors.kit.carried import Carried, read_spot
from connectors.kit.exchange import Sources
from connectors.kit.manifest import Signature
from mappings.errors import Fault, MappingFailed
from mappings.values_files import MARK_BEGINS

SETTING = "settings."


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to sign a text. A keyed one takes the last of `of`, a setting, as its key and not into the text."""

    make: Callable[[bytes, bytes], str]
    """Takes text and key; without a key it is empty."""
    keyed: bool = False


SCHEMES: MappingProxyType[str, Scheme] = MappingProxyType(
    {
        "sha256 hex": Scheme(lambda text, _key: hashlib.sha256(text).hexdigest()),
        "md5 hex": Scheme(
            lambda text, _key: hashlib.md5(text, usedforsecurity=False).hexdigest()
        ),  # as agencies want it
        "hmac sha256 hex": Scheme(lambda text, key: hmac.digest(key, text, "sha256").hex(), keyed=True),
    }
)
"""Every signature of the kit, by the name that manifests use."""


def signature(scheme: str) -> Scheme:
    """
    Return the signature that a manifest names as `scheme`.

    Raises:
        ValueError: There is no such scheme; the text names the nearest.
    """
    found = SCHEMES.get(scheme)
    if found is None:
        near = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.4)
        advice = f"did you mean {near[0]!r}?" if near else f"known schemes: {', '.join(sorted(SCHEMES))}"
        raise ValueError(f"no signature {scheme!r}: {advice}")
    return found


class Signing:
    """One signature of a manifest, ready to be made and to be checked. Safe to share."""

    def __init__(self, table: Signature) -> None:
        self.at = table.at
        """Where it stands: a place, `header:X` or `query:x`."""
        self._spot = read_spot(table.at)
        self._scheme = signature(table.scheme)
        self._join = table.join
        self._of = [(text, None if text.startswith(SETTING) else read_spot(text)) for text in table.of]

    def make(self, carried: Carried, settings: Sources) -> str:
        """
        Return the signature of *carried* with the values of *settings* (`settings.x`). A place where nothing stands is empty.

        Raises:
            MappingFailed: A value holds the separator, stands there twice, is a group or a file's content, or a setting
                has no value.
        """
        faults: list[Fault] = []
        texts: list[str] = []
        for place, spot in self._of:
            try:
                text = settings.get(place) if spot is None else spot.text(carried) or ""
            except ValueError as error:
                faults.append(Fault(place, str(error)))
                continue
            if text and MARK_BEGINS in text:
                faults.append(
                    Fault(place, "is a file that is put in while the body is sent, when it is signed already")
                )
            elif not text and spot is None:
                faults.append(Fault(place, "has no value"))
            elif self._join and self._join in (text or ""):
                faults.append(Fault(place, "holds the separator of the signature, so that nobody could tell it apart"))
            texts.append(text or "")
        if faults:
            raise MappingFailed(faults)
        key = texts.pop() if self._scheme.keyed else ""
        return self._scheme.make(self._join.join(texts).encode(), key.encode())

    def faults(self, carried: Carried, settings: Sources) -> tuple[Fault, ...]:
        """Return why the signature that *carried* shows proves nothing; none when it does. In constant time."""
        try:
            made, shown = self.make(carried, settings), self._spot.text(carried)
        except MappingFailed as failed:
            return failed.faults
        except ValueError as error:
            return (Fault(self.at, str(error)),)
        if not shown:
            return (Fault(self.at, "holds no signature"),)
        right = same(shown.strip().lower(), made)
        return () if right else (Fault(self.at, "is not the signature of this message"),)

    def shows(self, carried: Carried) -> bool:
        """Say whether *carried* has anything where the signature belongs."""
        try:
            return bool(self._spot.text(carried))
        except ValueError:
            return True


def signature_faults(
    table: Signature, key: str, settings: Mapping[str, object], *, sides: Sequence[str]
) -> list[tuple[str, str]]:
    """Return key path and fault for everything in *table* that would fail later; *sides* may be named in `of`."""
    found: list[tuple[str, str]] = []
    keyed = False
    try:
        keyed = signature(table.scheme).keyed
    except ValueError as error:
        found.append((f"{key}.scheme", str(error)))
    for name, place in [("at", table.at), *(("of", place) for place in table.of)]:
        try:
            spot = read_spot(place)
        except ValueError as error:
            found.append((f"{key}.{name}", f"`{place}` {error}"))
            continue
        if name == "of" and spot.side and spot.side not in sides:
            found.append(
                (f"{key}.of", f"`{place}` is not there yet when this signature is made; sign places and settings")
            )
        elif name == "of" and place.startswith(SETTING) and place.removeprefix(SETTING) not in settings:
            near = difflib.get_close_matches(place.removeprefix(SETTING), settings, 1, 0.6)
            advice = f"did you mean `{SETTING}{near[0]}`?" if near else "declare it in [settings]"
            found.append((f"{key}.of", f"`{place}` is no setting; {advice}"))
    if not any(place.startswith(SETTING) for place in table.of):
        found.append((f"{key}.of", "names no setting: what anybody can compute proves nothing"))
    elif keyed and not table.of[-1].startswith(SETTING):
        found.append((f"{key}.of", f"must end in the setting that is the key of `{table.scheme}`"))
    return found
