"""The costs that every run knows, by the names of their columns."""

from collections.abc import Mapping

__all__ = ["COUNTED", "LATENCY"]

LATENCY = "latency_ms"

COUNTED: Mapping[str, str] = {
    "params": "parameters, elements of the weights",
    "flops": "of one inference of one example; a multiply-add counts as two",
    "peak_memory_bytes": "the most that live activations of one example take",
    "weight_bytes": "of the weights in float32",
    "weight_bytes_int8": "of the weights in int8, biases and norms in four bytes",
}
"""What is counted by tracing a network: name → what it is."""
