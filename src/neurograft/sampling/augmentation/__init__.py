"""Random changes to patches: drawn first, then applied, so that any of them can be replayed."""
