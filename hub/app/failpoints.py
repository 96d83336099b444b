"""
Dying on purpose at one named moment, so that tests can see what a crash leaves behind. Never in service.

`HUB_FAILPOINT=settle.before_commit` with `HUB_TESTING=1`: the process kills itself when the store gets there, the
second time if the name ends in `#2`.
"""

import os
import signal
from collections.abc import Callable, Mapping

from mappings.errors import FileFault, FilesRefused


def failpoint(environ: Mapping[str, str]) -> Callable[[str], None] | None:
    """
    Return what the store calls at each of its moments, or None when nothing is to fail.

    Raises:
        FilesRefused: A failpoint is named in a process that is not there for testing.
    """
    wanted = environ.get("HUB_FAILPOINT", "")
    if not wanted:
        return None
    if environ.get("HUB_TESTING") != "1":
        raise FilesRefused([FileFault("HUB_FAILPOINT", "", "is for tests only; unset it, or set HUB_TESTING=1")])
    name, _, time = wanted.partition("#")
    left = [int(time or 1)]

    def die(moment: str) -> None:
        if moment == name:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return die
