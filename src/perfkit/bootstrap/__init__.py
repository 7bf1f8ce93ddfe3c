"""How the one file runs: which tier a command belongs to, and where the desk tier's packages are unpacked. Target tier."""
