"""Figures of dcmecho beside those of its peers, in one run: ``python -m benchmarks`` (docs/benchmarks.md)."""
