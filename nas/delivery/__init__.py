"""The network that is handed over: chosen, compared, checked, written as ONNX and reported."""
