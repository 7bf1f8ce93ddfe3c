"""The lake: the tables of many machines as Parquet, `<table>/site=/machine=/date=`, and questions to all of them at once."""
