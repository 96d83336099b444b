"""
`hub serve`: the hub itself, until SIGTERM or Ctrl-C. Lines of JSON go to standard output.
"""

import os
import sys

from hub.app.serve import run
from hub.cli.settings import Config, read_settings


def serve(*, config: Config = None) -> None:
    """Serve callers and operators until told to stop."""
    run(read_settings(config), os.environ, sys.stdout.buffer)
