"""What a run is asked to do: one pydantic model, read from YAML, flags and ``key=value`` settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from nas.data import InputForm
from nas.errors import UsageError, did_you_mean
from nas.search.database_url import holds_password
from nas.setup.names import check_name
from nas.setup.trackers import TrackerName
from nas.setup.values import check_values, renamed, seconds_of, shortened
from nas.space import EPOCHS
from nas.training import Learning, Recipe, Retrain

__all__ = [
    "NO_TASK", "EvaluationConfig", "FinishConfig", "NormalisationConfig", "ProfileConfig", "RayConfig", "RunConfig",
    "read_back", "refusal",
]  # fmt: skip

NO_TASK = "none"
"""The task of a search without a model."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class EvaluationConfig(_Strict):
    """How candidates are evaluated with shared weights.

    Attributes:
        calibration_images: training images, or windows of text, over which batch-norm statistics are averaged.
        batch_size: of calibration and validation.
        examples: at most so many examples of each part of the validation split are read; by default all.
        confirmation: share of the validation examples that confirms the chosen network; the others select it.
        equal_within: so many standard errors of the difference to the best network count as none, so that the cheapest
            of these equals is taken; 0 takes the best score.
        seconds: that an own function may take for an architecture in a search without a model; what takes longer
            cannot be used. By default as long as it likes.
    """

    calibration_images: int = Field(512, ge=1, le=10**9)
    batch_size: int = Field(256, ge=1, le=10**7)
    examples: int | None = Field(None, ge=2, le=10**12)
    confirmation: float = Field(0.5, gt=0, lt=1)
    equal_within: float = Field(0.5, ge=0, le=100)
    seconds: float | None = Field(None, gt=0, le=10**8)


class NormalisationConfig(_Strict):
    """By what images are normalised, in place of the mean and spread of the training images.

    Attributes:
        mean: of each channel, or one of all, of pixels from 0 to 1; floating-point images keep their unit.
        std: likewise.
    """

    mean: list[float] = Field(min_length=1)
    std: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


class _ExportConfig(_Strict):
    """How the network is handed over.

    Attributes:
        input: "unit", "bytes" or "normalised", what it reads of images; see `nas.data.InputForm`.
    """

    input: InputForm = "unit"


class FinishConfig(_Strict):
    """The last round, in which a few networks of a search train on by themselves.

    Attributes:
        networks: that enter it; 0 for no such round. By default 4 where a supernet is trained path by path.
        epochs: of the network that is left, those of the rungs among them; by default half those of ``retraining``.
        rate: the learning rate of the rungs, as a share of that of ``retraining``, from which that of the last falls.
        distillation: share of the loss that the supernet's largest network teaches, or that of pretrained weights; the
            targets teach the rest. By default as in the training of the supernet.
    """

    networks: int | None = Field(None, ge=0, le=10**4)
    epochs: int | None = Field(None, ge=1, le=10**6)
    rate: float = Field(1.0, gt=0, le=1)
    distillation: float = Field(0.0, ge=0, lt=1)


class ProfileConfig(_Strict):
    """How latency is learnt before the search.

    Attributes:
        networks: how many networks are measured at most to fit the predictor; it is done earlier when the predictor
            is as good as the measurements repeat.
        held_out: how many others are measured to judge it; of a table all that remain are used.
        repeats: how many of these are measured twice, to tell how well measurements repeat.
        seconds: the longest time spent on timing them, preparation not counted.
        samples: how many random architectures tell what the space costs.
        predictor: "linear", "lookup", "regression", "transfer", an installed one or ``module:object``; "auto" takes the
            best of those that ship and need no more measurements, "all" the best of all.
        predictor_args: its options, where it is named.
        known: other devices that "transfer" learns from: folders of ``nas profile`` and ``nas device import``, or
            columns of the table that is the target.
        run: folder of a ``nas profile`` of the same space on the same target, whose predictor is used.
    """

    networks: int = Field(48, ge=4, le=10**6)
    held_out: int = Field(24, ge=3, le=10**6)
    repeats: int = Field(8, ge=2, le=10**6)
    seconds: float = Field(20.0, gt=0, le=10**8)
    samples: int = Field(200, ge=1, le=10**7)
    predictor: str = "auto"
    predictor_args: dict[str, Any] = Field(default_factory=dict)
    known: list[str] = Field(default_factory=list)
    run: Path | None = None


class RayConfig(_Strict):
    """Where the work of a run is done; a run may go on elsewhere.

    None of it says what is to be found, but for ``train_workers``: a batch is cut into at least so many parts
    (``training.microbatches``), each with batch-norm statistics of its own.

    Attributes:
        address: of a Ray cluster, "auto" for the one that this machine belongs to, or host:port; by default a Ray of
            the run's own is started where several processes are asked for, and stopped afterwards.
        cpus_per_worker: CPUs that Ray keeps for each worker.
        gpus_per_worker: GPUs that it keeps for each worker; two workers share one with 0.5. By default none on the CPU,
            else an equal share of all that the cluster has, at most one.
        train_workers: processes that train the supernet together, each on a part of every batch, or each its banks
            where the method cuts the space in parts.
        measure_on: the Ray resource that marks the machine where latency is measured; while the run lasts nothing else
            of it works there. By default latency is measured where the run was started.
    """

    address: str | None = None
    cpus_per_worker: float = Field(1.0, gt=0, le=10**4)
    gpus_per_worker: float | None = Field(None, ge=0, le=10**4)
    train_workers: int = Field(1, ge=1, le=10**5)
    measure_on: str | None = None


class RunConfig(_Strict):
    """Everything that a run is asked to do.

    Attributes:
        space: name of a space, or ``module:function``; likewise method, strategy and target. A YAML file, or what gives
            a `nas.Space`, is a space without a model.
        space_args: arguments of the space function.
        task: name of data and what networks must make of them, or ``module:function``; once called ``data``. "none" in
            a search without a model, which trains and measures nothing.
        data_dir: folder with its files, or the text file itself.
        image_size: resize images to this height and width.
        normalisation: of the images that networks read, as a pretrained model expects them; by default by the mean and
            spread of the training images.
        extra: candidates of choices outside the model, by name: ``image_size`` makes the size of images that a network
            reads a choice, such as {image_size: [24, 28]}, and ``epochs`` how long an evaluator trains it, which
            strategies hyperband and asha decide.
        length: characters of a window of text; 64 by default.
        limit: keep at most this many training images, or windows of text.
        time: seconds that the whole run may take, by the clock on the wall; what nobody has decided, such as epochs and
            candidates, is planned from the speed of the machine.
        cpu_time: the same in seconds of CPU of this process.
        unplanned: settings that a plan still has to decide.
        method: how the supernet is trained; where a time is given by "spos", if nobody says otherwise.
        method_args: options of the method.
        evaluator: what evaluates candidates: "shared-weights" of a supernet that the method trains; "standalone", each
            trained by itself by the recipe ``retraining``; "grown", each from the weights of a smaller one; "table",
            known results; an installed one or ``module:object``.
        evaluator_args: options of the evaluator.
        objective: what is searched for, such as ``maximise synflow``, of what the evaluator gives; by default the
            metric of the data.
        strategy: how it is searched; "derived" proposes what a differentiable method learnt.
        strategy_args: options of the strategy.
        target: where latency is measured; or a table of measurements, a CSV or parquet file.
        target_args: options of the target, such as ``provider``, ``graph`` or ``compile``; ``column`` of a table.
        dtype: what networks compute in, measured and handed over: "float32", "float16", "int8"; measured, "bfloat16".
        threads: CPU threads of a measured inference.
        latency_batch: images of a measured inference.
        constraints: such as ``latency_ms <= 2`` or ``params <= 50% of largest``.
        goal: what the strategy looks for: the "best" network within the constraints, or the "front" of metric and cost;
            by default the best where a constraint bounds a cost.
        costs: more costs than every run has, ``module:function`` of a `nas.costs.Candidate` or installed names.
        costs_args: options of these costs, by their names in ``costs``.
        cost: that is minimised next to the metric; by default that of the first constraint, else latency, which
            a single candidate does without.
        candidates: number of architectures evaluated; with a choice of ``epochs`` as many epochs as so many have that
            are trained the longest.
        finalists: at most so many networks, those with the best scores of the front, are measured and confirmed.
        random_baseline: number of random candidates evaluated for comparison; by default as many as the search
            evaluates, or fewer where they would take more than a tenth of the run's time.
        seed: fixes the run.
        workers: processes that evaluate candidates; by default this one alone, on a cluster as many as fit.
        ray: where the work is done.
        storage: database URL of the ledger, such as postgresql://user@host/name; a file in the run's folder by default.
        supernet: folder of a finished search whose trained supernet is searched again; nothing is trained but in the
            last round.
        training_seed: of the data and the supernet, where another run trained it; by default ``seed``.
        answers: searches that the supernet is trained for, which share the time that is given.
        train_for: constraints of which each is one that the supernet is trained for, beside ``constraints``.
        study: name of the study in the storage; searches for the same in one study share their work. By default the
            name of the run.
        pretrained: whether the weights with which the space is built are trained already, so that training goes on from
            them at lower rates; by default where a checkpoint is given.
        distillation: share of the loss of the supernet that the network of such weights teaches, targets the rest; half
            by default where they are all pretrained.
        device: "cpu", "cuda" or "auto".
        cpu_threads: threads of PyTorch on the CPU; one is as fast for small networks, and immune to a busy machine.
        training: recipe of the supernet.
        learning: of architecture parameters, for differentiable methods.
        keep_epochs: keep the supernet as it was after each of so many last epochs, for ``nas rank``.
        sharing_args: options of the scheme by which the method shares weights, such as the number of models.
        search_args: arguments of the space function while it is searched, over ``space_args``, such as fewer cells; the
            method adds its own where the space takes them.
        near_bound: how many architectures near a bound are drawn from.
        bound_use: the share of the bound that each of them takes at least.
        retrain: whether the chosen network alone is trained again, in place of a last round: "no", or with "inherited"
            or "fresh" weights.
        train_on: the paths that are trained: those that are "feasible" and near a bound on a cost, where the best
            network within constraints is wanted and a last round follows, or "all".
        retraining: recipe of that; what is not given is taken from ``training``.
        finish: the last round.
        evaluation: how candidates are evaluated.
        profile: how latency is learnt.
        export: how the network is handed over.
        track: what is told the figures of the run while it goes on, "tensorboard", "mlflow", "wandb" or "trackio".
    """

    space: str = "mobilenet"
    space_args: dict[str, Any] = Field(default_factory=dict)
    task: str = "noisy_digits"
    data_dir: Path | None = None
    image_size: int | None = Field(None, ge=1, le=10**5)
    normalisation: NormalisationConfig | None = None
    extra: dict[str, list[Any]] = Field(default_factory=dict)
    length: int | None = Field(None, ge=1, le=10**7)
    limit: int | None = Field(None, ge=1, le=10**12)
    time: float | None = Field(None, gt=0, le=10**8)
    cpu_time: float | None = Field(None, gt=0, le=10**8)
    unplanned: list[str] = Field(default_factory=list)
    method: str = "bignas"
    method_args: dict[str, Any] = Field(default_factory=dict)
    evaluator: str = "shared-weights"
    evaluator_args: dict[str, Any] = Field(default_factory=dict)
    objective: str | None = None
    strategy: str = "evolution"
    strategy_args: dict[str, Any] = Field(default_factory=dict)
    target: str = "onnxruntime"
    target_args: dict[str, Any] = Field(default_factory=dict)
    dtype: str = "float32"
    threads: int = Field(1, ge=1, le=1024)
    latency_batch: int = Field(1, ge=1, le=10**5)
    constraints: list[str] = Field(default_factory=lambda: ["latency_ms <= 50% of largest"])
    goal: Literal["best", "front"] | None = None
    costs: list[str] = Field(default_factory=list)
    costs_args: dict[str, dict[str, Any]] = Field(default_factory=dict)
    cost: str | None = None
    candidates: int = Field(200, ge=1, le=10**7)
    finalists: int | None = Field(None, ge=1, le=10**6)
    random_baseline: int | None = Field(None, ge=0, le=10**7)
    seed: int = Field(0, ge=0, lt=2**32 - 1)
    workers: int | None = Field(None, ge=1, le=10**5)
    ray: RayConfig = Field(default_factory=RayConfig)
    storage: str | None = None
    study: str | None = None
    supernet: Path | None = None
    training_seed: int | None = Field(None, ge=0, lt=2**32 - 1)
    answers: int = Field(1, ge=1, le=10**4)
    train_for: list[str] = Field(default_factory=list)
    pretrained: bool = False
    distillation: float = Field(0.0, ge=0, lt=1)
    device: str = "auto"
    cpu_threads: int = Field(1, ge=1, le=1024)
    training: Recipe = Field(default_factory=Recipe)
    learning: Learning = Field(default_factory=Learning)
    keep_epochs: int = Field(0, ge=0, le=10**6)
    sharing_args: dict[str, Any] = Field(default_factory=dict)
    search_args: dict[str, Any] = Field(default_factory=dict)
    train_on: Literal["feasible", "all"] = "feasible"
    near_bound: int = Field(256, ge=1, le=10**6)
    bound_use: float = Field(0.8, ge=0, le=1)
    retrain: Retrain = "no"
    retraining: Recipe = Field(default_factory=Recipe)
    finish: FinishConfig = Field(default_factory=FinishConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    profile: ProfileConfig = Field(default_factory=ProfileConfig)
    export: _ExportConfig = Field(default_factory=_ExportConfig)
    track: list[TrackerName] = Field(default_factory=list)

    @property
    def has_model(self) -> bool:
        """Whether networks are built; else the evaluator is a function of architectures, and all that there is."""
        return self.task != NO_TASK

    @property
    def fidelity(self) -> str | None:
        """The choice of how long architectures are trained, if it is one."""
        return EPOCHS if EPOCHS in self.extra else None

    @property
    def is_timed(self) -> bool:
        """Whether the run was given a time, and plans."""
        return self.time is not None or self.cpu_time is not None

    @property
    def seed_of_training(self) -> int:
        """Of the data, the supernet and its training."""
        return self.seed if self.training_seed is None else self.training_seed

    @field_validator("retrain", mode="before")
    @classmethod
    def _no_is_a_word(cls, value: Any) -> Any:
        """YAML reads an unquoted no as false."""
        return "no" if value is False else value

    @field_validator("time", "cpu_time", mode="before")
    @classmethod
    def _may_have_a_unit(cls, value: Any) -> Any:
        return seconds_of(value) if isinstance(value, str) else value

    @field_validator("storage")
    @classmethod
    def _holds_no_password(cls, value: str | None) -> str | None:
        if value is not None and holds_password(value):
            raise ValueError(
                "storage holds a password, which the files of the run would show; leave it out of the URL and put it "
                "in the environment variable PGPASSWORD, or in ~/.pgpass"
            )
        return value

    @field_validator("study")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        return None if value is None else check_name(value, "study")

    def to_yaml(self) -> str:
        """The resolved configuration; reading it gives an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def read_back(values: Mapping[str, Any], source: str) -> RunConfig:
    """A configuration as a run has kept it, whole; nothing that it names is looked for.

    Raises:
        UsageError: an unknown key, or a value of the wrong type or range.
    """
    check_values(values, source)
    try:
        return RunConfig.model_validate(renamed(values, source))
    except ValidationError as error:
        raise UsageError(refusal(error.errors()[0], source)) from None


def refusal(first: Mapping[str, Any], source: str) -> str:
    """What is wrong with a value, in a sentence."""
    path = [str(part) for part in first["loc"]]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        return f"{source}: unknown key '{key}'; {did_you_mean(path[-1], _keys_beside(path))}"
    problem = first["msg"].removeprefix("Value error, ").rstrip(".")
    if path and problem.startswith(f"{path[-1]} "):
        return f"{source}: {problem}."
    return f"{source}: {key} is {shortened(first['input'])}, but {problem[0].lower()}{problem[1:]}."


def _keys_beside(path: list[str]) -> list[str]:
    model: Any = RunConfig
    for part in path[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
