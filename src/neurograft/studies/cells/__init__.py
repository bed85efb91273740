"""Cells: the pieces of work of a study, each named by what decides its result."""
