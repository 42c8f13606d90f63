"""What the skin of all faces has in common, learned from studio photos."""
