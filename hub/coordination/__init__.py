"""Who may send now, over all nodes. Start with `protocol.py`."""
