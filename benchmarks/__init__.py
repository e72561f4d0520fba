"""What bg-runner costs, beside what others cost for the same work: `python -m benchmarks` (docs/benchmarks.md)."""
