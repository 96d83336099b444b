"""Pushing what callers are told to where they want it. Read `subscribing.py`, then `pusher.py` and `lane.py`."""
