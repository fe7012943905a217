"""Every use of random numbers has a stream of its own, and data are split as they always were."""

import ast
import hashlib
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
import torch

import nas
from nas.data import load
from nas.sampling import Uniform
from nas.streams import Stream, derive_seed, rng
from nas.training import Context

PACKAGE = Path(nas.__file__).parent
SPACE = nas.Space({f"layer{number}": list(range(8)) for number in range(6)})


def test_no_two_streams_give_the_same_draws() -> None:
    numbers = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), *((int(stream),) for stream in Stream)]
    keys = [(seed, stream, *more) for seed in (0, 1, 7) for stream in Stream for more in numbers]
    keys = list(dict.fromkeys(keys))
    assert len({derive_seed(*key) for key in keys}) == len(keys)
    assert len({rng(*key).bytes(16) for key in keys}) == len(keys)


def test_draws_are_a_function_of_the_numbers_alone() -> None:
    first = rng(3, Stream.PATHS, 5).random(4)
    rng(3, Stream.PATHS, 6).random(4)
    torch.rand(3)
    assert (rng(3, Stream.PATHS, 5).random(4) == first).all()
    assert derive_seed(3, Stream.LAYERS, 5) == derive_seed(3, Stream.LAYERS, 5)
    assert all(0 <= derive_seed(seed, Stream.LAYERS) < 2**63 for seed in range(100))


def test_zeros_at_the_end_count() -> None:
    drawn = [rng(0, Stream.TRAINING_ORDER, *[0] * count).integers(2**62) for count in range(5)]
    assert len(set(drawn)) == 5


def test_paths_of_own_samplers_and_of_shipped_ones_are_not_what_is_profiled() -> None:
    def architectures(stream: Stream, *numbers: int) -> list[nas.Architecture]:
        return [SPACE.sample(rng(0, stream, *numbers, step)) for step in range(20)]

    paths = [path.architecture for step in range(20) for path in Uniform(SPACE, 0).draw(Context(step))]
    assert paths == architectures(Stream.PATHS)
    drawn = [paths, architectures(Stream.PROFILE), architectures(Stream.OWN, 1), architectures(Stream.OWN, 2)]
    assert not any(set(a) & set(b) for a, b in combinations(drawn, 2))


@pytest.mark.parametrize(
    ("name", "seed", "limit", "digests"),
    [
        ("digits", 0, None, ("0a17789eba1f", "0695678bb1b3", "150cac1da730", "daeab2934189", "d8783309d63c")),
        ("digits", 0, 200, ("cd09adf1e5e2", "0695678bb1b3", "150cac1da730", "daeab2934189", "dcc11bf2dd00")),
        ("digits", 7, None, ("2065d1ece995", "49ad9480cbd6", "5e68e3f71d1d", "7f3f1f890530", "a2e16525fddf")),
        ("noisy_digits", 0, None, ("595ed512cf11", "410364d61965", "14cb6dc22ab3", "0358ad170bf8", "ee55f15731c0")),
        ("noisy_digits", 0, 200, ("5882c18e8e7e", "410364d61965", "14cb6dc22ab3", "0358ad170bf8", "4dc7fb20aa01")),
        ("noisy_digits", 7, None, ("258e4eb126bf", "de8b17a58288", "3bb5ebaa571e", "ab6459ca4545", "02fa339ec8de")),
    ],
)
def test_data_are_split_as_before_streams_had_names(
    name: str, seed: int, limit: int | None, digests: tuple[str, ...]
) -> None:
    data = load(name, seed=seed, limit=limit)
    _, held_back = data.hold_back(0.5, (seed, Stream.CONFIRMATION_SPLIT))
    weights, _ = data.train.fraction(0.5, (seed, Stream.ARCHITECTURE_SPLIT))
    parts = (data.train, data.validation, data.test, held_back, weights)
    assert tuple(digest(*(labels for _, labels in part.batches(1000))) for part in parts) == digests


def digest(*tensors: torch.Tensor) -> str:
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()[:12]


def test_every_stream_is_read_in_one_file() -> None:
    readers: dict[str, list[str]] = {stream.name: [] for stream in Stream if stream is not Stream.OWN}
    for path in sources():
        for name in set(re.findall(r"\bStream\.([A-Z_]+)", path.read_text())) & set(readers):
            readers[name].append(path.name)
    assert {name: files for name, files in readers.items() if len(files) != 1} == {}


def test_seeds_go_through_streams() -> None:
    """Generators are made from a stream, from a constant, or from what a function of the package was given as one."""
    kept = {
        *("space/space.py", "nn/initialisation.py", "evaluation/hessian.py", "search/controller.py"),
        *("search/guided/networks.py", "evaluation/zero_cost/probe.py", "evaluation/zero_cost/zen.py"),
    }
    found = {
        f"{path.relative_to(PACKAGE)}: {ast.unparse(call)}" for path in sources() for call in seeded(path.read_text())
    }
    found = {each for each in found if not each.startswith("testing/")}  # suites, which seed what a user would
    assert {each for each in found if each.split(":")[0] not in kept} == set()


def sources() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "streams.py" or path.parent != PACKAGE)


def seeded(source: str) -> Iterator[ast.Call]:
    """Calls that seed a generator with anything but a constant or a seed derived from a stream."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in ("default_rng", "manual_seed", "SeedSequence") or not node.args:
            continue
        derived = ast.unparse(node.args[0]).startswith("derive_seed(")
        if not derived and not isinstance(node.args[0], ast.Constant):
            yield node
