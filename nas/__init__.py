"""Neural architecture search with weight-sharing supernets.

A search space is an ordinary PyTorch model with choices in it, an architecture says which candidate each choice
takes, and a supernet is that model plus a rule for which weights an architecture sees.

What is here is imported when it is first used, so that ``import nas`` stays light.
"""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    from nas import (
        conversion as conversion,
        costs as costs,
        data as data,
        distributed as distributed,
        evaluation as evaluation,
        export as export,
        hardware as hardware,
        methods as methods,
        nn as nn,
        predictors as predictors,
        problem as problem,
        report as report,
        runs as runs,
        sampling as sampling,
        search as search,
        sharing as sharing,
        space as space,
        streams as streams,
        supernet as supernet,
        tasks as tasks,
        training as training,
    )
    from nas.conversion import ElasticModel as ElasticModel, elastic as elastic
    from nas.costs import Candidate as Candidate, ExpectedCost as ExpectedCost, StaticCosts as StaticCosts
    from nas.data import Data as Data, Split as Split, TaskData as TaskData
    from nas.delivery.rebuilding import load_network as load_network
    from nas.errors import UsageError as UsageError
    from nas.evaluation import (
        Evaluator as Evaluator,
        MakesNetworks as MakesNetworks,
        SharedWeights as SharedWeights,
        Standalone as Standalone,
        TalliesExamples as TalliesExamples,
        evaluate as evaluate,
    )
    from nas.evaluation.ranking import sparse_tau as sparse_tau, tau as tau, weighted_tau as weighted_tau
    from nas.export import check_parity as check_parity, write_onnx as write_onnx
    from nas.hardware import (
        Recorded as Recorded,
        Target as Target,
        make_target as make_target,
        measure_networks as measure_networks,
    )
    from nas.methods import Method as Method
    from nas.predictors import (
        LinearPredictor as LinearPredictor,
        LookupPredictor as LookupPredictor,
        Predictor as Predictor,
        RegressionPredictor as RegressionPredictor,
        TransferPredictor as TransferPredictor,
    )
    from nas.problem import Problem as Problem
    from nas.result import RunResult as RunResult, load as load
    from nas.run import Run as Run
    from nas.runs.comparison import RunComparison as RunComparison, compare as compare
    from nas.sampling import Sandwich as Sandwich, Uniform as Uniform
    from nas.search import (
        Constraint as Constraint,
        Objective as Objective,
        RandomSearch as RandomSearch,
        Result as Result,
        Strategy as Strategy,
        pareto_front as pareto_front,
    )
    from nas.sharing import Sharing as Sharing
    from nas.space import (
        Architecture as Architecture,
        Choice as Choice,
        Condition as Condition,
        Notation as Notation,
        Space as Space,
        Subspace as Subspace,
    )
    from nas.streams import Stream as Stream, rng as rng
    from nas.supernet import Supernet as Supernet
    from nas.tasks import (
        Classification as Classification,
        Language as Language,
        MultiLabel as MultiLabel,
        Regression as Regression,
        Tally as Tally,
        Task as Task,
    )
    from nas.training import (
        Context as Context,
        CrossEntropy as CrossEntropy,
        Forward as Forward,
        InPlaceDistillation as InPlaceDistillation,
        Learning as Learning,
        Listener as Listener,
        LossTerm as LossTerm,
        PathSampler as PathSampler,
        Phase as Phase,
        Recipe as Recipe,
        Step as Step,
        SupernetStep as SupernetStep,
        train as train,
    )

__version__ = "0.1.0"

lazy(__name__)
