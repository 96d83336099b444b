"""
One notice of a manifest, ready to be read: who sent it, which message it is, its records, what makes each the same.

`notices.py` asks it in this order. Nothing here raises for what came, and no fault holds a value.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import parse_qsl

from lxml import etree
from pydantic import BaseModel
from pydantic_core import to_json

from connectors.kit.auth import same
from connectors.kit.carried import Carried, Spot
from connectors.kit.contract import Check, drift
from connectors.kit.exchange import Sources
from connectors.kit.files import contents
from connectors.kit.inbox import Notice, NotTaken, Poison, Told, Understood, WireNotice
from connectors.kit.notice_replies import Media, Replies
from connectors.kit.places import Nothing, Unwrap, text_at, texts_at, unkept
from connectors.kit.reading import Wire
from connectors.kit.signatures import Signing
from connectors.kit.texts import Tree, Unreadable, parse_json, parse_xml
from connectors.kit.wsdl import SoapOperation
from mappings import engine
from mappings.errors import Fault, MappingFailed
from mappings.paths import Place

FAULTS_AT_MOST = 100
POISON_AT_MOST = 1_000
"""Records of a page that are told one by one as unreadable: the page is kept whole, and millions would take gigabytes."""
LONGEST_UNIQUE = 512
"""Bytes up to which `unique` is kept as it is; what is longer is kept as its hash, since an index takes no megabytes."""
FIELDS_AT_MOST = 1_000
VALUES_AT_MOST = 50_000
"""Values of one push, as of a request. Who sends it is known by what is read: a stranger may not make that costly."""
FORM = "application/x-www-form-urlencoded"

Shown: TypeAlias = tuple[Spot, str]
"""Where something must stand, and the source (`[auth] put`) or the text (`select`) that it must equal."""


@dataclass(frozen=True, slots=True)
class ReadyNotice:
    """One notice, compiled. Made by `notice_compiling.ready_notices`."""

    about: Notice
    media: Media
    soap: SoapOperation | None
    """The message of the inbound WSDL that it is; None: it is pushed without an envelope."""
    put: Mapping[str, Shown]
    """By place, as the manifest writes it."""
    signed: Signing | None
    select: Mapping[str, Shown]
    unwrap: Unwrap
    several: bool
    """Whether a push holds a list of records."""
    returns: engine.Mapping | None
    unique: Mapping[str, tuple[Place, ...]]
    """By place, as the manifest writes it."""
    ref: Mapping[str, Place]
    contract: Check | None
    replies: Replies
    fetched_over: Wire | None
    next: Place | None

    def tree(self, came: WireNotice) -> Tree:
        """
        Return the body of *came* as a tree: what `put`, `signed`, `select` and the first step of `unwrap` see.

        Raises:
            Unreadable: It is not what the notice is written in.
        """
        if self.media == "xml":
            root = parse_xml(came.body, came.headers)
            return inside_envelope(root) if self.soap else root
        if came.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM:
            return _form(came.body)
        return (
            parse_json(came.body, came.headers, VALUES_AT_MOST) if came.body.strip() else {}
        )  # a question may come without words

    def unproven(self, carried: Carried, settings: Sources, *, beside: bool = False) -> tuple[Fault, ...]:
        """
        Return why *carried* does not prove that the agency sent it; none when it does. Every secret is compared whole.

        *beside*: only what stands beside the body is looked at.
        """
        faults = [
            Fault(place, "does not prove who sent this")
            for place, (spot, source) in self.put.items()
            if (spot.side or not beside) and not _equals(spot, carried, _value(source, settings))
        ]
        if self.signed is not None and not beside and not faults:
            faults += self.signed.faults(carried, settings)
        return tuple(faults)

    @property
    def proven_by_body(self) -> bool:
        """Whether a body that cannot be read leaves open who sent it."""
        return self.signed is not None or any(not spot.side for spot, _ in self.put.values())

    def another(self, carried: Carried) -> tuple[Fault, ...]:
        """Return where *carried* says that it is another message; none when it is this one."""
        return tuple(
            Fault(place, f"does not say that this is `{self.about.name}`")
            for place, (spot, text) in self.select.items()
            if not _equals(spot, carried, text)
        )

    def understood(self, carried: Carried) -> Understood | NotTaken:
        """Return all the records that *carried* holds, or every fault of those that cannot be read."""
        read, poison = self.one_by_one(carried, all_or_none=True)
        faults = [fault for one in poison for fault in one.faults]
        return self.refused(*faults[:FAULTS_AT_MOST]) if faults else read

    def one_by_one(
        self, carried: Carried, *, all_or_none: bool = False
    ) -> tuple[Understood | NotTaken, tuple[Poison, ...]]:
        """
        Return the records that *carried* holds, and the first of those that cannot be read. `NotTaken`: not even records
        are found.

        *all_or_none*: no more of those that cannot be read are looked for than are told.
        """
        whole = carried.tree
        key = carried.query if self.about.listed_by is not None else {}  # what it was asked for, one record at a time
        try:
            payload = self.unwrap(whole)
        except Unreadable as error:
            fault = Fault("body", error.rule)
            return self._none(fault, key) if key else (self.refused(fault), ())
        records = payload if self.several and isinstance(payload, list) else [payload]
        if isinstance(payload, Nothing):
            records = []
        if not records and self.about.fetched_by is None:
            return self.refused(Fault("body", "holds no record")), ()
        if not records and key:
            return self._none(Fault("body", "holds no record"), key)
        differs = drift(self.contract, whole)
        told: list[Told] = []
        poison: list[Poison] = []
        for number, record in enumerate(records):
            try:
                told.append(self._told(record, whole, differs, key))
            except MappingFailed as failed:
                if len(poison) == POISON_AT_MOST:
                    continue
                prefix = f"told[{number}]/" if self.several else ""
                faults = tuple(replace(fault, place=prefix + fault.place) for fault in failed.faults)
                poison.append(Poison(faults, {**key, **self._refs_of_poison(record, whole)}))
                if all_or_none and sum(len(one.faults) for one in poison) >= FAULTS_AT_MOST:
                    break
        return Understood(self.about.name, tuple(told)), tuple(poison)

    def page_after(self, whole: Tree) -> str | None:
        """Return where the page after *whole* starts: the text at `page.next`, of the answer or else of its last record."""
        if self.next is None:
            return None
        try:
            payload = self.unwrap(whole)
        except Unreadable:
            payload = None
        last = payload[-1] if isinstance(payload, list) and payload else None
        after = text_at(whole, self.next) or text_at(last, self.next)
        return after if after and "\0" not in after else None

    def refused(self, *faults: Fault) -> NotTaken:
        """Return that it cannot be taken, because of *faults*."""
        return NotTaken(self.about.name, "refused", faults)

    def _none(self, fault: Fault, key: Mapping[str, str]) -> tuple[Understood, tuple[Poison, ...]]:
        """What was asked for by *key* is one record that cannot be read: it is refused by that key, like any other."""
        return Understood(self.about.name, ()), (Poison((fault,), key),)

    def _told(self, record: Tree, whole: Tree, differs: tuple[str, ...], key: Mapping[str, str]) -> Told:
        value: BaseModel | None = None
        files: Mapping[str, bytes] = {}
        if self.returns is not None:
            found = self.returns.read(record)
            if found is None:
                raise MappingFailed([Fault(self.returns.root, "is missing")])
            value, differs, files = found.value, (*differs, *found.fallbacks), contents(found.files)
        refs = {**key, **self._refs(record, whole)}
        return Told(value, self._unique(record, whole, key), refs, differs, files)

    def _unique(self, record: Tree, whole: Tree, key: Mapping[str, str]) -> str | None:
        """The texts at the places of `unique` as one JSON array, in which no two lists of texts look the same."""
        if not self.unique:
            return to_json(sorted(key.items())).decode() if key else None
        texts = [_given(record, spread) or _given(whole, spread) or [None] for spread in self.unique.values()]
        if not any(text for one in texts for text in one):
            place = next(iter(self.unique))
            raise MappingFailed([Fault(place, "is missing, and nothing else makes this the same notice again")])
        plain: object = texts if any("[]" in place for place in self.unique) else [one[0] for one in texts]
        joined = to_json(plain)
        return joined.decode() if len(joined) <= LONGEST_UNIQUE else f"sha256:{hashlib.sha256(joined).hexdigest()}"

    def _refs_of_poison(self, record: Tree, whole: Tree) -> Mapping[str, str]:
        try:
            return self._refs(record, whole)
        except MappingFailed:
            return {}

    def _refs(self, record: Tree, whole: Tree) -> Mapping[str, str]:
        found = ((name, text_at(record, place) or text_at(whole, place)) for name, place in self.ref.items())
        refs = {name: text.strip() for name, text in found if text and text.strip()}
        faults = [Fault(name, rule) for name, text in refs.items() if (rule := unkept(text))]
        if faults:
            raise MappingFailed(faults)
        return refs


def inside_envelope(root: etree._Element) -> etree._Element:
    """
    Return the first element in the body of the envelope *root*; *root* itself when it is none.

    Raises:
        Unreadable: The envelope has no body, or an empty one.
    """
    name = etree.QName(root)
    if name.localname != "Envelope":
        return root
    content = root.find(f"{{{name.namespace}}}Body/*")
    if content is None:
        raise Unreadable("is a SOAP envelope without a message")
    return content


def _equals(spot: Spot, carried: Carried, wanted: str) -> bool:
    """In constant time, since what is compared may be a secret. Nothing equals nothing."""
    try:
        shown = spot.text(carried) or ""
        return same(shown.strip(), wanted) and bool(wanted)
    except ValueError:  # also of texts that no encoding can hold
        return False


def _value(source: str, settings: Sources) -> str:
    return source[1:] if source.startswith("=") else settings.get(source) or ""


def _given(tree: Tree, spread: Sequence[Place]) -> list[str | None]:
    """The texts of *tree* at *spread*; none at all when every one is missing or empty."""
    texts = [text.strip() if text else None for text in texts_at(tree, spread)]
    return texts if any(texts) else []


def _form(body: bytes) -> Tree:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_AT_MOST, strict_parsing=True
        )
    except ValueError:
        raise Unreadable("is no form, or one with too many fields") from None
    tree: dict[str, str | list[str]] = {}
    for name, value in pairs:
        held = tree.get(name)
        tree[name] = value if held is None else [*([held] if isinstance(held, str) else held), value]
    return tree
