"""Parts of the benchmarks: load, and what is measured of it."""
