"""What faces look like: textures of real people and the statistics of their albedo."""
