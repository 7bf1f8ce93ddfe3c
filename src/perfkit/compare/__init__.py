"""Comparing runs: differences with their intervals, or the reason why nothing is said.

statistics.py   Student's t, and the two ways to a difference: within one run an arm, and between several
judging.py      the comparison itself
report.py       it as text, Markdown, JSON and CSV

What is known of one run, its figures with their intervals and what the rules say of it, is made by perfkit.store.comparable.
"""
