"""What keeps a play in its place."""
