"""What the numbers mean: from raw latencies to a row. Pure; docs/concepts.md says the same in words."""
