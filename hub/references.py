"""
Following a reference to a secret: `env:NAME`, `file:path`, `cmd:program arguments`. Used by `app.py` when it builds.
"""

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

LONGEST_SECONDS = 10.0
"""How long a `cmd:` may take: a vault that does not answer must not keep the hub from saying so."""


class NotFollowed(Exception):
    """A reference leads nowhere. The text says what to do, and never what was found."""


def follow(reference: str, environ: Mapping[str, str], folder: Path) -> str:
    """
    Return what *reference* leads to, without trailing line ends; text that is no reference is itself the value.

    Raises:
        NotFollowed: The variable is not set, the file cannot be read, or the program failed.
    """
    kind, colon, rest = reference.partition(":")
    if colon and kind == "env":
        return _variable(rest, environ)
    if colon and kind == "file":
        return _content(folder / rest)
    if colon and kind == "cmd":
        return _printed(rest)
    return reference


def _variable(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "")
    if not value:
        raise NotFollowed(f"the variable {name} is not set; set it for the user that runs the hub")
    return value


def _content(path: Path) -> str:
    try:
        value = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFollowed(
            f"{path} cannot be read ({type(error).__name__}); create it, readable by the user that runs the hub"
        ) from None
    if not value:
        raise NotFollowed(f"{path} is empty; write the secret into it")
    return value


def _printed(command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, check=True, timeout=LONGEST_SECONDS, text=True)  # noqa: S603 - the operator wrote this command
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise NotFollowed(
            f"the command did not give a secret ({type(error).__name__}); run it by hand as the user that runs the hub"
        ) from None
    value = done.stdout.rstrip("\r\n")
    if not value:
        raise NotFollowed("the command printed nothing; run it by hand as the user that runs the hub")
    return value
