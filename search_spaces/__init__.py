"""Search spaces that ship with the engine. Each is a plain function that returns a model with choices in it."""
