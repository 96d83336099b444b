"""Manifests share `mappings/table_faults.py` with mapping files; kept as a door for imports from the kit."""

from mappings.table_faults import faults_of, read_toml

__all__ = ["faults_of", "read_toml"]
