"""The database: one file in which every collector's metrics, rollups, percentiles and quality stand."""

from __future__ import annotations

from perfkit.store.database import default_path, open_database, transaction
from perfkit.store.series import Series, series

__all__ = ["Series", "default_path", "open_database", "series", "transaction"]
