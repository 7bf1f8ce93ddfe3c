"""The dashboard: a Datasette with perfkit's pages in front of it. Reads the database, writes nothing to it."""
