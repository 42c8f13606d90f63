"""Learning the built-in base model from ICT-FaceKit Light on a mesh of our own."""
