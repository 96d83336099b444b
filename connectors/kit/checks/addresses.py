"""
The rule on addresses: a connector says whether its agency still has districts, and its mappings write it so.
"""

from collections.abc import Iterator

from connectors.kit.checks.folder import Folder, manifest_file
from mappings.errors import FileFault


def addresses_said(folder: Folder) -> Iterator[FileFault]:
    """A connector whose mappings hold addresses says in `addresses` whether the agency has districts; no other says so."""
    if folder.connector is None or folder.manifest is None:
        return
    mappings, levels = folder.connector.mappings, folder.manifest.connector.addresses
    held = sorted(name for name, mapping in mappings.items() if mapping.addresses)
    if bool(held) != (levels is not None):
        says = (
            f"is missing, and mapping `{held[0]}` holds an address: write `two_level`, or `three_level` where the agency"
            " still has districts"
            if held
            else "speaks of addresses, and no mapping holds one; remove it"
        )
        yield FileFault(manifest_file(folder), "connector.addresses", says)
        return
    # a form that comes and goes by one table may have a district when it comes; when it goes it has none by then
    read = {
        at
        for table in folder.conversations.values()
        for at in (mappings[table.returns].addresses if table.returns else ())
    }
    for name in sorted({table.sends for table in folder.conversations.values() if table.sends}):
        for at in mappings[name].addresses:
            key = ".".join(("fields", *at.names, "old_district"))
            if levels == "two_level" and at.district and at not in read:
                says = "is written, and a two_level agency has no districts; withhold it"
            elif levels == "three_level" and at.commune and not at.district:
                says = "is not written, and a three_level agency knows a commune by its district; give it a line"
            else:
                continue
            yield FileFault(folder.file(f"{name}.map.toml"), key, says)
