"""Two slices of the results side by side: what they share, how they differ, and which is faster."""
