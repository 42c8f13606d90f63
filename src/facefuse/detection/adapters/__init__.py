"""Adapters to detectors made by others, given their model files."""
