"""Processing: collections in, the tables of `perfkit.catalog` out. Every derived number is SQL in `sql/`; Python orders it."""
