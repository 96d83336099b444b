"""
A stage on which agencies are played from their samples, faults on demand included. Start with `server.py`.

Nothing here uses the mapping engine, the renderers or the handshakes of the kit: it is the other side, written
again from the contract, so that a mistake on one side shows on the other.
"""
