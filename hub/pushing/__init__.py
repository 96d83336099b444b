"""Pushing what callers are told to where they want it. Read `subscribing.py`, then `pusher.py`, `lane.py` and `delivery.py`."""
