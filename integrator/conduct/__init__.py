"""A campaign from its plan to its results: serve, deliver, start, watch, collect."""
