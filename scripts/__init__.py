"""Run the benchmarks from the repository's root: ``.venv/bin/python -m scripts.bench_load``."""
