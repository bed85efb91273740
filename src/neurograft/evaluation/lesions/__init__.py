"""Lesions as objects: which were found, which were missed, and which were invented."""
