"""
One played agency: what it says to a request, from its samples and from what was filed. Next: `server.py`.

A look-up finds what was filed, else the sample whose request is the same, else says "not found". A filing creates,
updates or adds a step, as the manifest's `then.exists` and the mappings tell; the samples give the words.
"""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.kit.auth import handshake
from connectors.kit.contract import Check, json_contract, xsd_contract
from connectors.kit.manifest import Manifest, Signature, load_manifest
from connectors.kit.samples import Sample, load_samples
from connectors.kit.sandbox.checks import CHECKS, Sessions
from connectors.kit.sandbox.filed import Filed, Record
from connectors.kit.sandbox.hearing import Heard, Hearing
from connectors.kit.sandbox.payloads import put_value, soap_body, value_at
from connectors.kit.sandbox.spoken import Spoken, spoken
from connectors.kit.sandbox.standing import Standing
from connectors.kit.sandbox.telling import signature_of
from connectors.kit.sandbox.wire import Reply, Request
from connectors.kit.sandbox.words import Words
from connectors.kit.wsdl import read_wsdl

_BY_STATE = ("ok", "pending", "exists")
"""Results of a filing that what was filed decides, and not the sample that asks the same."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, and what it means."""

    reply: Reply
    outcome: str
    processed: bool = False


class Played:
    """The agency itself, without network and faults."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        now: Callable[[], float],
        chance: random.Random,
        session_seconds: float,
        validate: bool,
    ) -> None:
        """
        Read the connector in *folder*.

        Raises:
            FilesRefused: Its manifest, mappings, samples or contract cannot be read.
        """
        manifest = load_manifest(folder)
        like = folder.parent / manifest.connector.like if manifest.connector.like else None
        operations = spoken(folder, manifest)
        self.xml = manifest.connector.protocol == "soap"
        """Whether it speaks XML."""
        self.filed = Filed()
        self.sessions = Sessions(chance, seconds=session_seconds)
        self._now = now
        self._auth = manifest.auth
        self._settings = {
            name: one.default for name, one in manifest.settings.items() if one.default is not None
        } | dict(settings)
        self._as_sources = manifest.sources(self._settings)
        self._hearing = Hearing(operations.values(), self._as_sources)
        self._operations = operations
        self._words = Words(_samples(folder, like), operations, self._hearing, xml=self.xml)
        self._standing = Standing(manifest, operations, self._words)
        contracts = [path / "contract" for path in (folder, like) if path is not None]
        created = {name: table.then["exists"] for name, table in manifest.operations.items() if "exists" in table.then}
        self._creates = {operations[name].model: name for name in created}
        self._updates = frozenset(created.values())
        showing = [one.name for one in operations.values() if one.kind == "lookup" and one.returns in self._creates]
        self._contracts = _contracts(contracts, manifest, operations, "request") if validate else {}
        self._replies = _contracts(contracts, manifest, showing, "reply") if validate else {}
        self._being_filed: set[tuple[str, str]] = set()
        self._to_file = frozenset(
            (one.operation.model, one.key)
            for one, _ in self._words.recorded("ok", "pending")
            if one.operation.name in created
        )
        self._seed()

    def hear(self, request: Request) -> Heard | None:
        """Return what *request* says, or None when it is for no operation."""
        heard = self._hearing(request)
        if heard is not None and heard.operation.name in self._creates.values():
            self._being_filed.add((heard.operation.model, heard.key))
        return heard

    def say(self, heard: Heard | None, request: Request, *, stale: bool = False) -> Said:
        """Return the answer to *request*, and do what it asks; *stale*: as if its session had just ended."""
        if heard is None:
            return Said(self._words.improvised(404, "no such operation"), "invalid")
        operation = heard.operation
        if stale:
            self.sessions.expire()
        if operation.kind != "login" and (not self._admitted(heard, request) or (stale and self._auth)):
            return Said(self._words.not_admitted(operation.name), "login")
        check = self._contracts.get(operation.name)
        if check and (faults := check(heard.tree)):
            invalid = self._words.improvised(400, "; ".join(map(str, faults)))
            return Said(self._words.reply(operation.name, "invalid") or invalid, "invalid")
        if operation.sign and not self._is_ours(operation.sign, heard, request):
            return Said(self._words.not_admitted(operation.name), "login")
        return {"login": self._logged_in, "lookup": self._looked_up, "filing": self._taken}[operation.kind](heard)

    def _admitted(self, heard: Heard, request: Request) -> bool:
        auth = self._auth
        if auth is None:
            return True
        if auth.scheme and not CHECKS[auth.scheme](request, self._settings, self._now()):
            return False
        operation = heard.operation
        sessions = [value_at(heard.plain, place) or "" for place in operation.from_source("auth")]
        for place, source in operation.shown.items():
            side, _, name = place.partition(":")
            value = request.headers.get(name.lower(), "") if side == "header" else request.query.get(name, "")
            if source.startswith("auth."):
                sessions.append(value.removeprefix(handshake(auth.scheme).before) if auth.scheme else value)
            elif source.startswith("settings.") and value != self._as_sources.get(source, ""):
                return False
        # an operation that has no place for a session needs none
        return not auth.login or not sessions or self.sessions.good(sessions, self._now())

    def _logged_in(self, heard: Heard) -> Said:
        name = heard.operation.name
        for place, setting in heard.operation.from_source("settings").items():
            if value_at(heard.plain, place) != self._as_sources.get(f"settings.{setting}"):
                return Said(
                    self._words.reply(name, "refused") or self._words.improvised(401, "wrong credentials"), "refused"
                )
        reply = self._words.reply(name, "ok")
        if reply is None or self._auth is None:
            return Said(self._words.improvised(500, f"{name} has no sample with result ok"), "invalid")
        tree = self._words.tree(reply)
        here = soap_body(tree) if heard.operation.xml else tree
        for kept in self._auth.keep.values():
            put_value(here, tuple(kept.split("/")), self.sessions.issue(self._now()))
        return Said(self._words.written(reply, tree), "ok", True)

    def _is_ours(self, sign: Signature, heard: Heard, request: Request) -> bool:
        """Whether *request* carries the signature that the play's own settings make of it."""
        beside = {"header": request.headers, "query": request.query}
        side, marked, name = sign.at.partition(":")
        shown = beside[side].get(name.lower() if side == "header" else name) if marked else None
        shown = shown or value_at(heard.plain, tuple(sign.at.split("/")))
        return shown == signature_of(sign, heard.plain, beside, self._as_sources)

    def _looked_up(self, heard: Heard) -> Said:
        said = self._found(heard)
        return replace(said, reply=self._signed(heard.operation, said.reply))

    def _signed(self, operation: Spoken, reply: Reply) -> Reply:
        """Return *reply* with the signature that the play's own settings make, where the recorded one has any."""
        if operation.signed is None or self.xml:
            return reply
        tree, place = self._words.tree(reply), tuple(operation.signed.at.split("/"))
        if value_at(tree, place) is None:
            return reply
        put_value(tree, place, signature_of(operation.signed, tree, {}, self._as_sources))
        return self._words.written(reply, tree)

    def _found(self, heard: Heard) -> Said:
        operation = heard.operation
        standing = self._standing.record(operation, self.filed, heard.key)
        if standing is not None and (told := self._standing.reply(operation, standing)):
            return Said(*told, True)
        record = self._there(operation.returns, heard.key)
        exact = self._words.exact(heard)
        if record is not None and record.payload is not None and not (exact and record.untouched):
            reply = self._words.with_record(operation, record.payload)
            if reply is not None and self._as_agreed(operation, reply):
                return Said(reply, "ok", True)
            if not exact and (shown := self._words.reply(operation.name, "ok")):
                filing = self._operations[self._creates[record.model]]
                return Said(self._standing.about(operation, filing, record, shown), "ok", True)
        if exact and not (record is None and (operation.returns, heard.key) in self._being_filed):
            return Said(*exact, True)
        missing = self._words.reply(operation.name, "not_found") or self._words.improvised(404, "not found")
        return Said(missing, "not_found", True)

    def _as_agreed(self, operation: Spoken, reply: Reply) -> bool:
        """Whether *reply*, with what was filed inside, is one that the agency could give."""
        check = self._replies.get(operation.name)
        tree = self._words.tree(reply)
        return check is None or not check(soap_body(tree) if self.xml else tree)

    def _taken(self, heard: Heard) -> Said:
        operation, name = heard.operation, heard.operation.name
        exact = self._words.exact(heard)
        if exact and exact[1] not in _BY_STATE and exact[0] is not self._words.reply(name, "unknown"):
            return Said(*exact)
        step = bool(self._creates) and operation.model not in self._creates
        models = tuple(self._creates) if step else (operation.model,)
        record = next((record for model in models if (record := self._there(model, heard.key))), None)
        if record is None and (step or name in self._updates):
            return Said(
                self._words.reply(name, "unknown", "refused") or self._words.improvised(404, "unknown"), "unknown"
            )
        if record is not None and name in self._creates.values():
            return Said(self._said(heard, "exists") or self._words.improvised(409, "exists already"), "exists")
        if record is None:
            self.filed.create(operation.model, heard.key, heard.payload, self._now())
        elif step:
            status = value_at(heard.plain, operation.payload + operation.status) if operation.status else None
            self.filed.append(record, heard.payload, status, self._operations[self._creates[record.model]].status)
        else:
            self.filed.update(record, heard.payload)
        said = exact[1] if exact and exact[1] != "exists" else "ok"
        for result in (said, "ok", "pending"):
            if reply := self._said(heard, result):
                return Said(reply, result, True)
        return Said(self._words.improvised(200, "done"), "ok", True)

    def _said(self, heard: Heard, result: str) -> Reply | None:
        """Return the words of the very sample, if it ends so, else of any that does."""
        exact = self._words.exact(heard)
        return exact[0] if exact and exact[1] == result else self._words.reply(heard.operation.name, result)

    def _there(self, model: str, key: str) -> Record | None:
        """Return the record, but for one that samples both show and create, from when somebody begins to file it."""
        record = self.filed.get(model, key)
        gone = (
            record is not None
            and record.untouched
            and (model, key) in self._to_file
            and (model, key) in self._being_filed
        )
        return None if gone else record

    def _seed(self) -> None:
        """Start with the records that samples show to be there."""
        asked = list(self._words.recorded("ok"))
        there = [
            (one.operation.returns, one.key, self._words.record_in(one.operation, reply))
            for one, reply in asked
            if one.operation.kind == "lookup"
        ]
        there += [(one.operation.model, one.key, one.payload) for one, _ in self._words.recorded("exists")]
        there += [
            (one.operation.model, one.key, one.payload) for one, _ in asked if one.operation.name in self._updates
        ]
        steps = [one for one, _ in asked if one.operation.kind == "filing" and one.operation.model not in self._creates]
        there += [(model, one.key, None) for one in steps for model in self._creates]
        for model, key, payload in there:
            if model in self._creates and self.filed.get(model, key) is None:
                self.filed.create(model, key, payload, self._now(), seeded=True)


def _samples(folder: Path, like: Path | None) -> tuple[Sample, ...]:
    samples = load_samples(folder)
    mine = {sample.operation for sample in samples}
    return samples + tuple(one for one in (load_samples(like) if like else ()) if one.operation not in mine)


def _contracts(folders: list[Path], manifest: Manifest, names: Collection[str], side: str) -> Mapping[str, Check]:
    checks: dict[str, Check] = {}
    for folder in reversed(folders):  # the connector's own over the one that it is like
        wsdl = read_wsdl(folder) if manifest.connector.protocol == "soap" else None
        for name in names:
            check = xsd_contract(wsdl.schema) if wsdl else json_contract(folder / f"{name}.{side}.schema.json")
            if check is not None:
                checks[name] = check
    return checks
