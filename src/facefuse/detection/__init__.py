"""Finding faces and their landmarks: protocols, built-in networks, adapters."""
