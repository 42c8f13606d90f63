"""Training of the built-in face detector: composed scenes, network, losses, engine, ONNX export, measurement."""
