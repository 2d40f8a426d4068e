"""What hero_logic thinks: no clock, file, socket, thread, process or randomness in here."""
