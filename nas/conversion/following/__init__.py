"""Runs a model and follows its channels: labels, rules for operations, the graph of what goes together."""
