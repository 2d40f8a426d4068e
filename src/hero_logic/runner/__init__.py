"""What executes one play."""
