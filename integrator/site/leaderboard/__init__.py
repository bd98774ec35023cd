"""Which machine: scores with shared ranks, what was covered, and what the front page says of both."""
