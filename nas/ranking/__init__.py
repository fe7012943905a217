"""How well a trained supernet ranks architectures, against what stand-alone training found."""
