"""What stands behind one number: its runs, its settings, its machine's conditions, and how to repeat it."""
