"""Comparing runs: differences with their intervals, or the reason why nothing is said.

statistics.py   Student's t, and the two ways to a difference: within one run an arm, and between several
estimates.sql   what is known of each metric of one run: value, interval, effective number of samples
rules.toml      what forbids a verdict, or warns
judging.py      the comparison itself
"""
