"""Settings of a computer's kernel that make numbers noisy: what they are, set for measuring, and set back."""
