"""Where cells are run: processes of this machine, or workers of a Dask cluster."""
