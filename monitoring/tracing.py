"""
W3C trace context, level 1: reading and making the `traceparent` header that ties the log lines of all systems together.

https://www.w3.org/TR/trace-context/ ; nothing is sampled or exported here.
"""

import re
from collections.abc import Callable

_SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def parse_traceparent(text: str) -> str | None:
    """
    Return *text* as a version 00 traceparent, or None when it is not one; a newer version is read as 00.

    None means: start a trace of our own, as the recommendation asks. It is never a fault of the request.
    """
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace, 16) or not int(span, 16):
        return None
    return f"00-{trace}-{span}-{flags}"


def make_traceparent(random_bytes: Callable[[int], bytes]) -> str:
    """Start a trace that is recorded (flags 01)."""
    bits = random_bytes(24)
    return f"00-{bits[:16].hex()}-{bits[16:].hex()}-01"


def next_span(traceparent: str, random_bytes: Callable[[int], bytes]) -> str:
    """Return *traceparent* with a span id of our own: what a hop hands on."""
    return f"{traceparent[:36]}{random_bytes(8).hex()}{traceparent[52:]}"
