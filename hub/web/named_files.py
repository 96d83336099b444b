"""Whether a request names files that its caller may read. Asked by the doors that take calls, and by `files.py`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from pydantic import BaseModel

from hub.errors import RequestFault, RequestInvalid
from hub.files import Files, of_agency
from hub.reaching import Reaching
from hub.security.identity import Caller
from mappings.canonical.files import file_paths, files_in

_UNLINKED: Final = "cannot be fetched by the agency: an operator has to set `[hub] public_url`; or send an address"


class Asked(Protocol):
    """What is needed of an operation."""

    @property
    def request(self) -> type[BaseModel]: ...


class NamedFiles:
    """*offered* holds each agency's operations by name."""

    def __init__(
        self,
        files: Files,
        reaching: Reaching,
        offered: Mapping[str, Mapping[str, Asked]],
        unlinked: Collection[tuple[str, str]] = (),
    ) -> None:
        """*unlinked*: operations (agency, name) that send links to files, where this hub can make none."""
        self._files = files
        self._unlinked = unlinked
        self._reaching = reaching
        paths = {
            (agency, name): file_paths(operation.request)
            for agency, operations in offered.items()
            for name, operation in operations.items()
        }
        self._paths = {where: found for where, found in paths.items() if found}

    async def check(self, caller: Caller, agency: str, operation: str, request: BaseModel) -> None:
        """
        Return if *caller* may read every file that *request* names.

        Raises:
            RequestInvalid: It may not; each place by its JSON pointer.
            StoreUnavailable: The store did not answer.
        """
        paths = self._paths.get((agency, operation))
        if paths is not None and (named := list(files_in(request, paths))):
            if (agency, operation) in self._unlinked:
                raise RequestInvalid(faults=[RequestFault(pointer, _UNLINKED) for pointer, _ in named])
            await self._files.check(named, self.holders(caller))

    def holders(self, caller: Caller) -> Sequence[str]:
        """Return whose files *caller* may read: its own, and those of agencies of which it is told everything."""
        return [caller.name, *map(of_agency, self._reaching.of(caller).agencies)]
