"""A search from data to the network that is handed over, alone, with several seeds, or as a job on a cluster."""

from nas.runs.export import export_architecture
from nas.runs.run import run_search
from nas.runs.seeds import run_seeds

__all__ = ["export_architecture", "run_search", "run_seeds"]
