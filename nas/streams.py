"""Random numbers of a run: every use has a stream of its own, a function of the run's seed and of what it is for."""

from enum import IntEnum, unique

import numpy as np

__all__ = ["Stream", "derive_seed", "rng"]


@unique
class Stream(IntEnum):
    """What random numbers are for; no two uses share one.

    Values are part of what a seed means: a new stream gets a new number, and the numbers of the others stay.
    """

    # The data and their parts.
    TRAINING_ORDER = 0
    TEST_SPLIT = 1
    VALIDATION_SPLIT = 2
    LIMIT = 3
    ARCHITECTURE_SPLIT = 4
    CONFIRMATION_SPLIT = 5
    DECIDING_SPLIT = 6
    FEWER_EXAMPLES = 7

    # First weights.
    SUPERNET_WEIGHTS = 10
    FRESH_WEIGHTS = 11
    AUXILIARY_HEAD = 12
    BANK_WEIGHTS = 13
    EXPERTS = 14
    RESTARTED_BANKS = 15
    PROXY_WEIGHTS = 16
    ATOMS = 17
    HASHED_BLOCKS = 18
    CHANNEL_ORDER = 19

    # Training: what a step reads, which paths it trains, what its layers draw.
    BATCHES = 20
    ARCHITECTURE_BATCHES = 21
    SCORE_BATCHES = 22
    GRADIENT_BATCHES = 23
    LAYERS = 24
    MICROBATCHES = 25
    PATHS = 26
    FAIR_ROUNDS = 27
    BANKS_OF_PATHS = 28
    GRADIENT_VARIANTS = 29
    LOGITS = 30
    GATES = 31
    PERTURBATION = 32
    STANDALONE = 34
    RETRAINING_PLANS = 35
    DIAGONAL = 36
    FINISH = 37
    CONTROLS = 38
    COMPARISON_BATCHES = 39

    # The search.
    STRATEGY = 40
    SAMPLER = 41
    BASELINE = 42
    FEASIBILITY = 43
    NEAR_BOUNDS = 44
    FIRST_CANDIDATES = 45
    PLAN = 46
    SURROGATE = 47
    TUNER = 48
    CONTROLLER = 49

    # Latency: what is measured and learnt from.
    PROFILE = 50
    PROFILE_POOL = 51
    TABLE_POOL = 52
    KNOWN_DEVICES = 53
    KNOWN_COLUMNS = 54
    DEVICE_PACK = 55
    DIVERSE_ROWS = 56
    FOLDS = 57

    # How well a supernet ranks.
    TRUTH_SAMPLE = 60
    BOOTSTRAP = 61
    DRAWN_TRAINING = 62
    PROXY_BATCHES = 63

    # Paths of samplers that know costs, or learn.
    ATTENTIVE_PATHS = 70
    MEASURED_PATHS = 71
    SHIFTED_PATHS = 72
    LEVEL_WALK = 73
    LEVEL_PATHS = 74
    IMPORTANT_PATHS = 75

    # Searches by predictors.
    EVOLVED_PREDICTIONS = 80
    COST_STATISTICS = 81
    DROPOUT = 82
    STUDENT_INPUTS = 83
    DIFFUSED = 84
    DENOISER = 87
    NOISY_RESULTS = 88

    # What banks and experts are compared on.
    ROW_ARCHITECTURES = 90
    ROUTED_ARCHITECTURES = 91
    SPECIALISATION = 92

    # Populations of spaces.
    POPULATION = 85
    POPULATION_BOOTSTRAP = 86

    OWN = 1000
    """For a part from outside the package: ``rng(seed, Stream.OWN, number, step)`` with a number that is its alone."""


def rng(seed: int, stream: Stream, *numbers: int) -> np.random.Generator:
    """A generator that depends on all numbers, their order and how many there are, and on nothing else.

    Args:
        seed: of the run, not negative.
        stream: what is drawn.
        numbers: which draw of the stream it is, such as the number of the step.

    >>> bool(rng(0, Stream.PATHS, 7).random() == rng(0, Stream.PATHS, 7).random())
    True
    """
    return np.random.default_rng(_entropy(seed, stream, *numbers))


def derive_seed(*numbers: int) -> int:
    """A seed from 0 to 2**63 - 1 that depends on all numbers, their order and how many there are.

    It is for what takes a seed: ``torch.manual_seed``, or a training within a run.

    Args:
        numbers: the run's seed, a :class:`Stream` and which draw of the stream it is; none is negative.

    >>> derive_seed(0, Stream.LAYERS, 1) != derive_seed(0, Stream.LAYERS, 1, 0)
    True
    """
    return int(_entropy(*numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _entropy(*numbers: int) -> np.random.SeedSequence:
    """NumPy takes no notice of zeros at the end, so how many numbers there are comes first."""
    return np.random.SeedSequence([len(numbers), *map(int, numbers)])
