"""
The command `hub`. `main.py` puts it together; here is only what can be said when the hub's libraries are not installed.
"""

import sys


def main() -> None:
    """Run the command line, or say which installation has it."""
    try:
        from hub.cli.main import main as run
    except ModuleNotFoundError as missing:
        if (missing.name or "").split(".")[0] in ("hub", "connectors", "mappings", "monitoring"):
            raise
        print(
            f"{missing.name} is not installed: this is the typed client alone.\n"
            "The hub itself comes with: pip install 'lienthong[server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    run()
