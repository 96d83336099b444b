"""
A played agency calls the hub: a recorded push with the play's own keys, on demand, changed as a test wants it.

Secrets and signatures are made again here from the manifest, not by the kit: the other side, so that a mistake on
one side shows on the other. `Sandbox.tell` and `POST /tell/{agency}` end here.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from lxml import etree
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from connectors.kit.manifest import Manifest, Signature, load_manifest
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.payloads import Names, found, plain, put_value, soap_body
from mappings.paths import clark

_DECODERS = ("json", "xml", "base64")
_NEW = "TruongMoi"
_SOAP = {"http://www.w3.org/2003/05/soap-envelope": "application/soap+xml"}


class Tell(BaseModel):
    """What an agency is to tell, and how."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    samples: list[str] = Field(
        min_length=1,
        description="Recorded pushes, `<notice>.<case>`, in order",
        examples=[["tax_notice_received.two"]],
    )
    to: Annotated[str, AfterValidator(lambda to: to if to.endswith("/") else f"{to}/")] = Field(
        description="Address of the agency at the hub, with or without a / at its end",
        pattern="^https?://[^/?#]+/[^?#]+$",
        examples=["http://127.0.0.1:8080/in/tax/"],
    )
    times: int = Field(1, ge=1, le=1000, description="How often each is told")
    delay: float = Field(0.0, ge=0.0, le=60.0, description="Seconds before each")
    put: dict[str, Any] = Field(
        {}, description="Place = value to tell instead of what is recorded; places lie in the body, or inside its files"
    )
    wrong: Literal["signature", "secret"] | None = Field(None, description="What is not what the hub expects")
    drifted: bool = Field(False, description="A field that no contract knows stands in it too")
    signed: bool = Field(True, description="Sign again what `put` changed; false: the recorded signature stays")


@dataclass(frozen=True, slots=True)
class Push:
    """A request that an agency makes, ready to be sent."""

    notice: str
    sample: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Teller:
    """One played agency as it calls us."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """
        Read the notices of the connector in *folder*.

        Raises:
            FilesRefused: Its manifest or samples cannot be read.
        """
        manifest = load_manifest(folder)
        defaults = {name: one.default for name, one in manifest.settings.items() if one.default is not None}
        self._notices = manifest.notices
        self._settings = manifest.sources(defaults | dict(settings))
        self._samples = {one.name: one for one in _samples(folder, manifest) if one.operation in manifest.notices}

    def pushes(self, tell: Tell) -> list[Push]:
        """
        Return what *tell* asks for, each sample once.

        Raises:
            ValueError: There is no such sample, or nothing stands at a place of `put`; the text names it.
        """
        return [self._push(name, tell) for name in tell.samples]

    def _push(self, name: str, tell: Tell) -> Push:
        sample = self._samples.get(name)
        if sample is None or sample.request_agency is None:
            known = ", ".join(self._samples) or "none"
            raise ValueError(f"no recorded push {name!r}; known: {known}")
        table = self._notices[sample.operation]
        whole = etree.fromstring(sample.request_agency) if sample.media == "xml" else from_json(sample.request_agency)
        tree = soap_body(whole) if sample.media == "xml" else whole
        soap = tree is not whole
        for place, value in tell.put.items():
            if not _changed(tree, table.unwrap, tuple(place.split("/")), value):
                raise ValueError(f"nothing stands at {place!r} in {name}")
        if tell.drifted:
            _drifted(tree)
        kind = f"application/{sample.media}" if not soap else _SOAP.get(etree.QName(whole).namespace or "", "text/xml")
        headers = {"Content-Type": f"{kind}; charset=utf-8"}
        if soap:
            headers["SOAPAction"] = '""'
        beside: dict[str, dict[str, str]] = {"header": headers, "query": {}}
        for side, name_in_it, value in _recorded_beside(sample):
            beside[side].setdefault(name_in_it, value)
        strange = sample.result == "denied"  # goes out as recorded: with the play's own keys it would be believed
        for place, source in (table.auth.put if table.auth and not strange else {}).items():
            secret = source[1:] if source.startswith("=") else self._settings.get(source, "")
            _placed(tree, beside, place, f"not-{secret}" if tell.wrong == "secret" else secret)
        if table.signed is not None and not strange and (tell.signed or tell.wrong == "signature"):
            made = signature_of(table.signed, tree, beside, self._settings, spoilt=tell.wrong == "signature")
            _placed(tree, beside, table.signed.at, made)
        body = (
            etree.tostring(whole, xml_declaration=True, encoding="UTF-8") if sample.media == "xml" else to_json(whole)
        )
        query = f"?{urlencode(beside['query'])}" if beside["query"] else ""
        return Push(
            sample.operation, sample.name, f"{tell.to}{'soap' if soap else sample.operation}{query}", headers, body
        )


def _samples(folder: Path, manifest: Manifest) -> Sequence[Sample]:
    own = load_samples(folder)
    mine = {sample.operation for sample in own}
    like = load_samples(folder.parent / manifest.connector.like) if manifest.connector.like else ()
    return [*own, *(one for one in like if one.operation not in mine)]


def _recorded_beside(sample: Sample) -> list[tuple[str, str, str]]:
    parts = [(*name.partition(":")[::2], value) for name, value in sample.sources.items() if ":" in name]
    return [(side, name, value) for side, name, value in parts if side in ("header", "query")]


def _placed(tree: Any, beside: Mapping[str, dict[str, str]], place: str, value: str) -> None:
    side, marked, name = place.partition(":")
    if marked and side in beside:
        kept = next((one for one in beside[side] if side == "header" and one.lower() == name.lower()), name)
        beside[side][kept] = value
    else:
        put_value(tree, _names(place), value)


def _names(place: str) -> Names:
    return tuple(part.partition("[")[0].rpartition("}")[2] for part in place.split("/"))


def _drifted(tree: Any) -> None:
    if isinstance(tree, etree._Element):
        etree.SubElement(tree, clark(_NEW, etree.QName(tree).namespace)).text = "x"
    elif isinstance(tree, dict):
        tree[_NEW] = "x"


def _changed(tree: Any, unwrap: Sequence[str], place: Names, value: Any) -> bool:
    """Put *value* at *place* of *tree*, or of the document that *unwrap* leads to inside it. False: it is nowhere."""
    names = tuple(part.partition("[")[0] for part in place)
    if found(plain(tree) if isinstance(tree, etree._Element) else tree, names):
        put_value(tree, names, str(value) if isinstance(tree, etree._Element) else value)
        return True
    words = list(unwrap[1:] if unwrap[:1] in (("json",), ("xml",)) else unwrap)
    decoder = next((number for number, word in enumerate(words) if word in _DECODERS), None)
    if decoder is None:
        return False
    path = tuple(name for word in words[:decoder] for name in _names(word))
    text = str(next(iter(found(plain(tree) if isinstance(tree, etree._Element) else tree, path)), ""))
    rest = words[decoder:]
    packed = rest[0] == "base64"
    content = base64.b64decode(text) if packed else text.encode()
    rest = rest[1:] if packed else rest
    inner: Any = etree.fromstring(content) if rest[:1] == ["xml"] else from_json(content)
    if not _changed(inner, tuple(rest), names, value):
        return False
    written = etree.tostring(inner, encoding="UTF-8") if isinstance(inner, etree._Element) else to_json(inner)
    put_value(tree, path, (base64.b64encode(written) if packed else written).decode())
    return True


def signature_of(
    table: Signature,
    tree: Any,
    beside: Mapping[str, Mapping[str, str]],
    settings: Mapping[str, str],
    *,
    spoilt: bool = False,
) -> str:
    """Return the signature of *tree* and of what stands *beside* it (`header`, `query`), with *settings* as `settings.x`."""
    said = plain(tree) if isinstance(tree, etree._Element) else tree
    texts = []
    for place in table.of:
        side, marked, name = place.partition(":")
        if place.startswith("settings."):
            texts.append(settings.get(place, ""))
        elif marked and side in beside:
            texts.append(next((value for one, value in beside[side].items() if one.lower() == name.lower()), ""))
        else:
            value = next(iter(found(said, _names(place))), None)
            texts.append("" if value is None else value if isinstance(value, str) else to_json(value).decode())
    key = texts.pop() if table.scheme.startswith("hmac") else ""
    text = table.join.join(texts).encode() + (b"spoilt" if spoilt else b"")
    if table.scheme == "hmac sha256 hex":
        return hmac.new(key.encode(), text, "sha256").hexdigest()
    return hashlib.new(table.scheme.removesuffix(" hex"), text, usedforsecurity=False).hexdigest()
