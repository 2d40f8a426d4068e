"""What hero_logic remembers."""
