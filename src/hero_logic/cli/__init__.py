"""What talks to a person at a terminal."""
