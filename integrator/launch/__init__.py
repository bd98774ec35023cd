"""Starting agents: one module for each way."""
