"""What the machine is, read from /proc, /sys and OpenVINO."""
