"""The face parser: photos with part labels, the network, training, ONNX export."""
