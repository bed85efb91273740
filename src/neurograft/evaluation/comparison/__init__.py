"""Comparison of methods on the same subjects: tests, effects, intervals, and a sentence for each pair."""
