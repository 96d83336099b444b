"""From settings and agencies to what seals."""

import secrets
from collections.abc import Mapping

from hub.app.installed import Installed
from hub.app.opening import sealing_key
from hub.security.sealing import Sealing
from hub.settings import Settings
from mappings.canonical.shape import sealed_paths


def sealing_of(settings: Settings, environ: Mapping[str, str], installed: Mapping[str, Installed]) -> Sealing:
    """
    Return what seals. A key is asked for, or made, only where an agency tells or takes something that is sealed.

    Raises:
        FilesRefused: As `sealing_key`.
    """
    spoken = [operation.request for one in installed.values() for operation in one.connector.operations.values()]
    told = [
        notice.model
        for one in installed.values()
        for notice in (one.agency.inbox.notices.values() if one.agency.inbox else ())
        if notice.model is not None
    ]
    needed = any(map(sealed_paths, (*spoken, *told)))
    return Sealing(sealing_key(settings, environ) if needed else secrets.token_urlsafe(32))
