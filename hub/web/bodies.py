"""
From the bytes of a request to a validated model, in bounded time and memory, with every fault by JSON pointer.

Strict: what is doubled, too deep, not UTF-8, not a number, or of the wrong type is a fault of the request. No fault
repeats what was sent, beyond the names of fields.
"""

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from connectors.kit.texts import holds_more
from hub.errors import MediaTypeUnsupported, RequestFault, RequestInvalid, RequestTooLarge
from hub.web.replies import Receive

MOST_FAULTS: Final = 100
MOST_VALUES: Final = 50_000
"""Values in one request. A dossier has hundreds; millions of wrong ones would hold the loop for seconds."""
IN_THREAD_BYTES: Final = 256 * 1024
BODY_SECONDS: Final = 60.0
"""How long a body may take to arrive: a caller that drips must not hold memory for ever."""


class Disconnected(Exception):
    """The caller went away before its request was whole; there is nobody to answer."""


async def read_body(receive: Receive, most: int, length: int | None) -> bytes:
    """
    Read a whole body of at most *most* bytes; *length* is what `Content-Length` promised.

    Raises:
        RequestTooLarge: It is longer, or says that it will be; then nothing was read.
        RequestInvalid: It did not arrive in time.
        Disconnected: The caller went away.
    """
    if length is not None and length > most:
        raise RequestTooLarge(f"The limit is {most} bytes.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, most)
    except TimeoutError:
        raise RequestInvalid(f"The body did not arrive within {BODY_SECONDS:g} seconds.") from None


async def _read(receive: Receive, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise RequestTooLarge(f"The limit is {most} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)


def check_media_type(text: str) -> None:
    """
    Let `application/json` through, in UTF-8.

    Raises:
        MediaTypeUnsupported: It is another one, or none.
    """
    if text == "application/json":
        return
    kind, _, parameters = text.partition(";")
    charset = parameters.replace(" ", "").lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise MediaTypeUnsupported


class Bodies:
    """Validates bodies; make one per process."""

    def __init__(self) -> None:
        self._once = json.JSONDecoder(object_pairs_hook=_once)
        self._marked = json.JSONDecoder(object_pairs_hook=_marked)

    async def validated(self, model: type[BaseModel], body: bytes) -> BaseModel:
        """
        Return *body* as a *model*; a large one is validated in a thread.

        Raises:
            RequestInvalid: It does not fit; the first hundred faults by JSON pointer.
        """
        if len(body) > IN_THREAD_BYTES:
            return await asyncio.to_thread(self.validate, model, body)
        return self.validate(model, body)

    def validate(self, model: type[BaseModel], body: bytes) -> BaseModel:
        """See `validated`."""
        if holds_more(body, MOST_VALUES):
            raise RequestInvalid(faults=[RequestFault("", f"holds more than {MOST_VALUES} values")])
        try:
            value = model.model_validate_json(body)
        except ValidationError as error:
            raise RequestInvalid(faults=_faults(error, model, body)) from None
        self._refuse_doubled_names(body)
        return value

    def _refuse_doubled_names(self, body: bytes) -> None:
        """Two members of one name: readers differ in which one counts, so what was signed may not be what is read."""
        text = body.decode()
        try:
            self._once.decode(text)
        except _Twice:
            found = self._marked.decode(text)
            raise RequestInvalid(faults=list(islice(_doubled(found, ""), MOST_FAULTS))) from None


class _Twice(Exception):
    """A name stands twice in one object."""


class _Doubled(dict[str, Any]):
    """An object in which names stand twice."""

    names: tuple[str, ...] = ()


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _Twice


def _marked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    doubled = _Doubled(found)
    doubled.names = tuple(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return doubled


def _doubled(value: Any, pointer: str) -> Iterator[RequestFault]:
    if isinstance(value, dict):
        for name in getattr(value, "names", ()):
            yield RequestFault(f"{pointer}/{_step(name)}", "stands twice in one object")
        for name, inner in value.items():
            if isinstance(inner, dict | list):
                yield from _doubled(inner, f"{pointer}/{_step(name)}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            if isinstance(inner, dict | list):
                yield from _doubled(inner, f"{pointer}/{place}")


def _faults(error: ValidationError, model: type[BaseModel], body: bytes) -> list[RequestFault]:
    if error.error_count() > MOST_FAULTS * 10:
        # Describing each of tens of thousands takes seconds: say what is wrong with the first few of each list.
        try:
            model.model_validate_json(to_json(_cut(from_json(body), [MOST_FAULTS * 5])))
        except ValidationError as fewer:
            error = fewer
    faults: dict[RequestFault, None] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        faults[RequestFault(_pointer(one["loc"], one["type"]), _rule(one["type"], one["msg"]))] = None
        if len(faults) == MOST_FAULTS:
            break
    return list(faults)


def _cut(value: Any, left: list[int]) -> Any:
    """Return the first values of *value*, as many as *left* counts down."""
    left[0] -= 1
    if isinstance(value, dict):
        return {name: _cut(inner, left) for name, inner in value.items() if left[0] > 0}
    if isinstance(value, list):
        return [_cut(inner, left) for inner in value if left[0] > 0]
    return value


def _pointer(loc: tuple[int | str, ...], kind: str) -> str:
    return "" if kind == "json_invalid" else "".join(f"/{_step(str(step))}" for step in loc if step != "[key]")


def _step(name: str) -> str:
    return name[:64].replace("~", "~0").replace("/", "~1")


def _rule(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "is not a known field"
    if kind == "missing":
        return "is missing"
    if kind == "union_tag_invalid":  # its message repeats what was sent
        return "is of no known kind"
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
