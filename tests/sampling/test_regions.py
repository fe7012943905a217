"""Paths in the regions of a partition, bank by bank."""

import numpy as np
from tiny import operations

import nas
from nas.sampling import InRegions
from nas.sharing import Partition
from nas.training import Context


def test_banks_are_trained_alike_whatever_their_regions_hold() -> None:
    """Bank 0 has one architecture of 27 and bank 1 the most."""
    scheme = Partition(models=3)
    space = nas.Supernet(operations().model, scheme).space
    paths = InRegions(scheme, seed=0)
    before = [path.architecture for step in range(600) for path in paths.draw(Context(step))]
    assert len(set(before)) == space.size
    scheme.split(0, "layer0", [(0,), (1, 2)])
    scheme.split(0, "layer1", [(0,), (1, 2)])
    drawn = [path for step in range(600) for path in paths.draw(Context(step))]
    assert all(path.role == "random" and path.bank is None for path in drawn)
    banks = [scheme.bank_of(path.architecture) for path in drawn]
    assert np.bincount(banks).tolist() == [200, 200, 200]
    assert {path.architecture for path in drawn} == set(space)
    assert list(InRegions(scheme, seed=0).draw(Context(7))) == list(paths.draw(Context(7)))
