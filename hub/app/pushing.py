"""What pushes to callers, put together from settings. `build.py` asks for it."""

from collections.abc import Mapping
from functools import partial

from connectors.kit.exchange import Sender
from connectors.kit.http import HttpSender
from hub.app.opening import jitter, signing_key
from hub.app.roads import sender_of
from hub.call import Class
from hub.errors import HubOverloaded
from hub.feed import Feed
from hub.guards.retry import Waits
from hub.outside import Outside
from hub.pushing.delivery import Around
from hub.pushing.pusher import Pusher
from hub.pushing.signing import Signing
from hub.pushing.subscribing import Subscribing
from hub.reaching import Reaching
from hub.settings import Settings
from hub.shedding import Shedding
from hub.store.sql_store import SqlStore
from hub.surroundings import Surroundings
from hub.web.notices import event
from mappings.errors import FileFault, FilesRefused


def pushing(
    settings: Settings,
    environ: Mapping[str, str],
    surroundings: Surroundings,
    store: SqlStore,
    feed: Feed,
    reaching: Reaching,
    shedding: Shedding,
) -> tuple[Pusher | None, Subscribing]:
    """
    Return what pushes, None where the settings list nobody to push to, and what callers subscribe with.

    Raises:
        FilesRefused: The settings list somebody, and no key can be found, or the file of the authorities cannot be read.
    """
    outside = Outside.receivers(settings.push.hosts)
    signing = pusher = None
    if settings.push.hosts:
        signing = Signing(signing_key(settings, environ))
        faults: list[FileFault] = []
        sender_of(settings, settings.push.ca_file, "push.ca_file", faults)
        if faults:
            raise FilesRefused(faults)
        around = Around(
            kept=store.subscriptions,
            feed=feed,
            connect=partial(_sender, settings, outside),
            fault=outside.fault,
            reach=reaching.now,
            body=event,
            signing=signing,
            waits=Waits(jitter()),
            clock=surroundings.clock,
            node=surroundings.node,
            busy=partial(_refused, shedding),
            observer=surroundings.observer,
        )
        pusher = Pusher(around)
    subscribing = Subscribing(
        store.subscriptions, feed, reaching, outside, signing, pusher, surroundings.clock, surroundings.new_id
    )
    return pusher, subscribing


def _sender(settings: Settings, outside: Outside, url: str) -> Sender:
    ca_file = settings.push.ca_file
    return HttpSender(ca_file=settings.path(ca_file) if ca_file else None, may_connect=outside.connectable(url))


def _refused(shedding: Shedding) -> bool:
    """Say whether what is least urgent is refused now."""
    try:
        shedding.check(Class.BULK)
    except HubOverloaded:
        return True
    return False
