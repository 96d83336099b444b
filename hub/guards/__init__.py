"""The rules that a permit must satisfy, one file each: start with `guard.py`, the skeleton they all share."""
