"""The receiver: takes what collectors stream over HTTP, and answers 200 only for what is on disk.

request -> `batch` (what a body may say) -> `writer` (group commit) -> `journal` (one fsync for many requests)
        -> `dayfiles` (one collection per identifier and day) and -> `importer` (the database, through the same SQL as files)
"""
