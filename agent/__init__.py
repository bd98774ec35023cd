"""Runs on the target: pulls its job, runs each test in a process of its own, pushes the results."""
