"""Rasterising meshes, shading them and drawing them."""
