"""
The typed client of the hub, for the centre's software. Needs httpx2 and pydantic only, not the hub's own libraries.

    async with HubClient("http://127.0.0.1:8080", key=KEY) as hub:
        found = await hub.call("police.lookup_citizen", CitizenQuery(...), answer=Citizen, purpose=Purpose(...))
        ticket = await hub.file("npsp.file_dossier", dossier, answer=Dossier, purpose=Purpose(...))
        filed = await ticket.result(wait=20)

The guide is docs/guide/callers.md.
"""

from hub.client.client import HubClient, Ticket
from hub.client.feed import Settled, Told
from hub.client.many import BatchLine, BatchTicket, Member
from hub.client.shapes import Answer, Fault, Found, HandlingCounts, HubFile, Problem, Purpose, Quota, Reason
from hub.client.webhooks import DeadEvent, NotSigned, Subscription, read_pushed, verify

__all__ = [
    "Answer", "BatchLine", "BatchTicket", "DeadEvent", "Fault", "Found", "HandlingCounts", "HubClient", "HubFile", "Member", "NotSigned",
    "Problem", "Purpose", "Quota", "Reason", "Settled", "Subscription", "Ticket", "Told", "read_pushed", "verify",
]  # fmt: skip
