"""What would keep a machine from being measured, or make its numbers noisy, found before a campaign."""
