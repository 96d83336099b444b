"""`python -m hub.cli`: the command `hub`, for wherever it is not on the path."""

from hub.cli import main

if __name__ == "__main__":
    main()
