"""TALKS HTTP: JSON-RPC, live events, first views; who may ask; one table of methods that all of it is made from."""
