"""What hero_logic decides: a function here is a verb of every face."""
