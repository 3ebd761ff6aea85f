"""Processes of ours on several machines, and tasks spread over them: local processes, or Dask."""
