"""TALKS HTTP: JSON-RPC, live events, first views, and who may ask for them."""
