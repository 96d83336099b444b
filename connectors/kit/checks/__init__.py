"""
What `hub check <folder>` proves about a connector before anybody calls an agency with it.

`rules.py` holds the list of rules and the one entry, `check_folder`. `folder.py` reads everything an author wrote;
`pinned.py` knows the places of the contract, `used.py` those that manifest and mappings speak of.
"""
