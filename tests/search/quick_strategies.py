"""Options under which a strategy takes less time to learn."""

__all__ = ["QUICK"]

QUICK: dict[str, dict[str, int]] = {
    "bananas": {"steps": 5},
    "brp": {"steps": 5},
    "boshnas": {"steps": 5},
    "diffusion": {"steps": 5, "samples": 50, "levels": 10},
    "nars": {"steps": 5, "statistics": 50},
    "linas": {"generations": 3, "batch": 10},
    "ppo-controller": {"width": 8, "epochs": 2, "batch": 20},
}
"""By the name of the strategy."""
