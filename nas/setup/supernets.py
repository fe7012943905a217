"""From a configuration to its data and supernets: all that a worker needs, and where every process begins."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas.conversion import Calibration
from nas.costs.own_costs import COSTS
from nas.data import Data, ImageData, Normalisation, Split, load
from nas.distributed import Training
from nas.errors import UsageError, did_you_mean
from nas.evaluation import SharedWeights
from nas.evaluation.evaluators import EVALUATORS, traits_of
from nas.methods import METHODS
from nas.problem import Budget, Problem
from nas.setup.config import RunConfig
from nas.setup.finishing import finishing, search_arguments
from nas.setup.pretrained import pretrained_network
from nas.setup.spaces import build_space
from nas.space import ArchitectureSet, Space, find_notation
from nas.streams import Stream, derive_seed
from nas.supernet import Supernet, takes_channels_last
from nas.tasks import Forward
from nas.training import Distillation, Phase

__all__ = [
    "build_searched",
    "build_supernet",
    "built",
    "divided",
    "find_device",
    "made_problem",
    "phases_of",
    "problem_of",
    "read_data",
    "shared_weights_of",
    "teacher_of",
    "training_of",
]

_A_FEW = 2


def find_device(name: str) -> torch.device:
    """Where PyTorch works.

    Raises:
        UsageError: it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("device is 'cuda', but PyTorch finds no GPU here; use device=cpu.")
    return torch.device(name)


def read_data(config: RunConfig, device: torch.device) -> Data:
    """The data of a run, on the device, with the whole validation split.

    Raises:
        UsageError: the data cannot be read.
    """
    given = config.normalisation
    return load(
        config.task,
        config.data_dir,
        config.seed_of_training,
        config.image_size,
        device,
        config.limit,
        config.length,
        None if given is None else Normalisation(tuple(given.mean), tuple(given.std)),
    )


def divided(config: RunConfig, data: Data) -> tuple[Data, Split, Split]:
    """The data with the part of the validation split that selects, and two other parts.

    By the first the last round of a search decides; without such a round it is the part that selects. On the second,
    which confirms, no weight and no decision ever depends.

    Raises:
        UsageError: there are too few validation examples for two parts.
    """
    data, held_back = data.hold_back(
        config.evaluation.confirmation, (config.seed_of_training, Stream.CONFIRMATION_SPLIT)
    )
    most = config.evaluation.examples
    if most is not None and most < len(data.validation):
        data, _ = data.hold_back(1 - most / len(data.validation), (config.seed_of_training, Stream.FEWER_EXAMPLES))
    if not finishing(config):
        return data, data.validation, _at_most(most, held_back, config.seed_of_training)
    try:
        deciding, confirming = held_back.divided(0.5, (config.seed_of_training, Stream.DECIDING_SPLIT))
    except UsageError as error:
        raise UsageError(
            f"{error} The last round decides by a part of its own: --finish 0 leaves it out, or more is held back by "
            f"evaluation.confirmation (now {config.evaluation.confirmation:g})."
        ) from None
    return data, _at_most(most, deciding, config.seed_of_training), _at_most(most, confirming, config.seed_of_training)


def _at_most(most: int | None, split: Split, seed: int) -> Split:
    if most is None or most >= len(split):
        return split
    return split.divided(most / len(split), (seed, Stream.FEWER_EXAMPLES))[0]


def built(config: RunConfig, device: torch.device, read: Data | None = None) -> tuple[Data, Supernet, Supernet]:
    """The data of a run, laid out in memory as its networks read them fastest, and its two supernets.

    The first is of the networks that are delivered, the second the one that is searched.

    Args:
        read: the data, where they were read before.
    """
    data = read or read_data(config, device)
    supernet = build_supernet(config, data, config.space_args)
    searched = build_searched(config, data, supernet)
    if isinstance(data, ImageData) and len(data.input_shape) == 3 and device.type == "cpu":
        x, _ = next(iter(data.validation.batches(_A_FEW)))
        if all(takes_channels_last(each, x) for each in dict.fromkeys((supernet, searched))):
            data = data.laid_out(torch.channels_last)
    return data, supernet, searched


def build_supernet(config: RunConfig, data: Data, arguments: Mapping[str, Any], like: Space | None = None) -> Supernet:
    """A supernet of the space with these arguments, with the first weights that the seed gives, where the data are.

    Args:
        like: the space of another supernet, whose order of candidates is kept.
    """
    _check_extra(config, data)
    largest = data.at(Space(config.extra).largest())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed_of_training, Stream.SUPERNET_WEIGHTS))
        model = build_space(
            config.space,
            arguments,
            largest.input_shape,
            data.input_dtype,
            data.output_shape[0],
            _calibration(config, largest),
        )
    sharing = METHODS[config.method].make_sharing(config.sharing_args, config.seed_of_training)
    if sharing is not None and sharing.needs_trained and not config.pretrained:
        raise UsageError(
            f"sharing_args.start is '{config.sharing_args['start']}', which begins with weights that are trained "
            "already, but the model has none; give --checkpoint, or leave it out."
        )
    supernet = Supernet(model, sharing, data.input_shape, data.input_dtype, like, config.extra, data.read)
    return supernet.to(data.train.device)


def _calibration(config: RunConfig, data: Data) -> Calibration:
    """Training examples that the seed draws, and what a network learns from them."""
    term = data.task.loss()

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        images = min(config.evaluation.calibration_images, len(data.train))
        size = min(config.evaluation.batch_size, config.training.batch_size, images)
        drawn = data.train.shuffled(size, (config.seed_of_training, Stream.CHANNEL_ORDER))
        yield from ((x.cpu(), y.cpu()) for x, y in islice(drawn, images // size))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        found = term(Forward(output, target, "largest", {}))
        assert found is not None, "a loss without roles applies to every pass"
        return found

    return Calibration(batches(), loss)


def _check_extra(config: RunConfig, data: Data) -> None:
    """Refuses choices outside the model that nothing reads, and where what is trained is no architecture."""
    parts = [EVALUATORS[config.evaluator], *(COSTS[name] for name in config.costs)] if config.extra else []
    known = [*data.choices, *(name for part in parts for name in getattr(part, "choices", ()))]
    for name, candidates in config.extra.items():
        if name not in known:
            raise UsageError(
                f"extra names '{name}', a choice that nothing in this run reads, be it task '{config.task}', evaluator "
                f"'{config.evaluator}' or its costs; {did_you_mean(name, known) if known else 'leave it out.'}"
            )
        if METHODS[config.method].family == "differentiable" and traits_of(config.evaluator).needs_supernet:
            raise UsageError(
                f"extra names '{name}', but method '{config.method}' trains a mixture of all candidates, and nothing "
                "mixes those of a choice outside the model; leave it out, or use a method that trains architectures."
            )
        for candidate in candidates:
            data.at({name: candidate})


def build_searched(config: RunConfig, data: Data, delivered: Supernet | None = None) -> Supernet:
    """The supernet that is trained and evaluated: the delivered one unless method or settings search another model.

    It is the delivered one, too, where the evaluator trains none.

    An architecture means the same in both, also the largest, and so do sizes that are nested.

    Raises:
        UsageError: the other cannot be built, or has other choices.
    """
    delivered = delivered or build_supernet(config, data, config.space_args)
    if not traits_of(config.evaluator).needs_supernet:
        return delivered
    arguments = search_arguments(config)
    if not arguments:
        return delivered
    try:
        return build_supernet(config, data, {**config.space_args, **arguments}, delivered.space)
    except UsageError as error:
        raise UsageError(f"with search_args {arguments} of space '{config.space}': {error}") from error


def shared_weights_of(config: RunConfig, searched: Supernet, data: Data) -> SharedWeights:
    """Evaluates candidates with the weights of a supernet, which must be trained."""
    return SharedWeights(searched, data, config.evaluation.calibration_images, config.evaluation.batch_size)


def teacher_of(
    config: RunConfig,
    searched: Supernet,
    data: Data,
    architecture: Mapping[str, Any],
    share: float,
    pretrained: nn.Module | None = None,
) -> Distillation | None:
    """The pretrained network of a run; else the largest network of a trained supernet that reads what an architecture
    does, recalibrated.

    Args:
        share: of the loss that it teaches; where that is nothing there is no teacher.
        pretrained: if there is one.
    """
    if not share:
        return None
    if pretrained is not None:
        return Distillation(pretrained, data.task, share=share)
    read = {name: architecture[name] for name in searched.extra}
    largest = searched.space.complete(read, share=1.0)
    return Distillation(shared_weights_of(config, searched, data).network(largest), data.task, share=share)


def problem_of(config: RunConfig, budget: Budget | None = None, folder: Path | None = None) -> Problem:
    """What a run is about, built from its configuration alone; the weights are those before training.

    Args:
        budget: where the method learns to keep one.
        folder: of the run, where its evaluator keeps anything.
    """
    torch.set_num_threads(config.cpu_threads)
    read, delivered, searched = built(config, find_device(config.device))
    data, _, _ = divided(config, read)
    return made_problem(config, data, delivered, searched, budget, folder)


def made_problem(
    config: RunConfig,
    data: Data,
    delivered: Supernet,
    searched: Supernet,
    budget: Budget | None = None,
    folder: Path | None = None,
) -> Problem:
    """The same of data and supernets that are there."""
    return Problem(
        searched,
        data,
        config.seed_of_training,
        config.training,
        config.learning,
        config.retraining,
        None if delivered is searched else delivered,
        budget,
        find_notation(config.space),
        folder,
        pretrained=pretrained_network(config, delivered),
        distillation=config.distillation,
    )


def phases_of(config: RunConfig, problem: Problem) -> Sequence[Phase]:
    """The training that the method of a run makes of a problem.

    Raises:
        UsageError: the method has no such option, or banks train as long as they like in a run that is given its time.
    """
    method = METHODS[config.method]
    if config.is_timed and config.method_args.get("steps") == "per-bank":
        raise UsageError(
            "method_args.steps is per-bank, but the run is given its time, in which all banks together must train; "
            "leave one of them out."
        )
    return method.phases(problem, **method.check_options(config.method_args))


def training_of(config: RunConfig, budget: Budget | None = None, feasible: ArchitectureSet | None = None) -> Training:
    """The training of a run's supernet, built from its configuration; a budget where the method learns one, and the
    architectures that it draws from where these are not all."""
    return Training(phases_of(config, replace(problem_of(config, budget), feasible=feasible)), config.seed_of_training)
