"""Face models that users bring in other projects' file formats."""
