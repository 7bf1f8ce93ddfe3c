"""The database: one file in which every collector's metrics, rollups, percentiles and quality stand."""

from __future__ import annotations

from perfkit.store.database import default_path, open_database, transaction

__all__ = ["default_path", "open_database", "transaction"]
