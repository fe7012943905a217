"""Which paths a step trains, with which loss, and the loop around it."""

from typing import TYPE_CHECKING

from nas.lazy_imports import lazy

if TYPE_CHECKING:
    # Moved to nas.sampling; scripts that look for them here still find them.
    from nas.sampling.banks import InBanks as InBanks
    from nas.sampling.fair import Fair as Fair
    from nas.sampling.sandwich import Sandwich as Sandwich
    from nas.sampling.uniform import Uniform as Uniform
    from nas.training.checkpoint import (
        has_ended as has_ended,
        load_checkpoint as load_checkpoint,
        read_header as read_header,
        restore as restore,
        save_checkpoint as save_checkpoint,
        state_of as state_of,
    )
    from nas.training.context import Context as Context, Path as Path
    from nas.training.cost_terms import (
        AddedCost as AddedCost,
        CostFunction as CostFunction,
        LogCost as LogCost,
        ScaledLoss as ScaledLoss,
        TargetCost as TargetCost,
    )
    from nas.training.cuts import (
        ByGradients as ByGradients,
        Cut as Cut,
        EveryCandidate as EveryCandidate,
        Restart as Restart,
        with_cuts as with_cuts,
    )
    from nas.training.estimators import (
        BilevelProblem as BilevelProblem,
        Estimator as Estimator,
        first_order as first_order,
        unrolled as unrolled,
    )
    from nas.training.fingerprints import check_fingerprint as check_fingerprint, fingerprint as fingerprint
    from nas.training.fresh_banks import FreshBanks as FreshBanks
    from nas.training.gradient_distances import GradientDistances as GradientDistances, Variants as Variants
    from nas.training.learning import Learning as Learning
    from nas.training.listener import Listener as Listener
    from nas.training.loop import Epoch as Epoch, train as train, train_phases as train_phases
    from nas.training.objectives import (
        CrossEntropy as CrossEntropy,
        Distillation as Distillation,
        Entropy as Entropy,
        Forward as Forward,
        InPlaceDistillation as InPlaceDistillation,
        LossTerm as LossTerm,
        SeveralTerms as SeveralTerms,
    )
    from nas.training.paths import PathSampler as PathSampler
    from nas.training.phase import Phase as Phase, total_epochs as total_epochs
    from nas.training.ranks import Ranks as Ranks
    from nas.training.recipe import Recipe as Recipe, Retrain as Retrain
    from nas.training.relaxed_regions import RelaxedRegions as RelaxedRegions, relaxed_of as relaxed_of
    from nas.training.relaxed_step import DerivationRule as DerivationRule, RelaxedStep as RelaxedStep
    from nas.training.routing import Routing as Routing
    from nas.training.self_distillation import SelfDistillation as SelfDistillation
    from nas.training.specialisation import Specialisation as Specialisation
    from nas.training.steps import Pass as Pass, PlainStep as PlainStep, Step as Step, SupernetStep as SupernetStep
    from nas.training.streams import BatchStream as BatchStream
    from nas.training.untrained import save_untrained as save_untrained
    from nas.training.validation_scores import (
        PairedScores as PairedScores,
        PublishedScores as PublishedScores,
        TableScores as TableScores,
        ValidationScores as ValidationScores,
        scores_of as scores_of,
    )

lazy(__name__)
