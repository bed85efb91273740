"""One long command over many scans, divided into parts that any executor of studies runs."""
