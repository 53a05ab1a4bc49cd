"""Studies as jobs: queued over HTTP, run by a worker process, resumed after any death."""
