"""Synthetic photos of faces with known truth."""
