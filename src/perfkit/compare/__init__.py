"""Comparing runs: differences with their intervals, or the reason why nothing is said.

sql/judged.sql  differences, intervals, corrections and verdicts of all figures that are compared, in one statement
statistics.py   Student's t, which SQL has not, as functions of it
judging.py      what is compared, and what the rules say of it
report.py       it as text, Markdown, JSON and CSV

What is known of one run, its figures with their intervals and what the rules say of it, is made by perfkit.store.comparable.
"""
