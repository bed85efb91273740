"""Using models: sliding windows, ensembles, decisions, post-processing, files."""
