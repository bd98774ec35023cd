"""What the campaigns of a site say one after another."""
