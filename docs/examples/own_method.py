"""A method of your own: which paths a step trains, and what they learn from."""

import nas


def tempered(problem: nas.Problem, temperature: float = 2.0) -> list[nas.Phase]:
    """The sandwich rule; the other paths learn what the largest says at a temperature, and from the labels."""
    paths = nas.Sandwich(problem.space, problem.seed)
    task = problem.data.task

    def soft(forward: nas.Forward):
        teacher = forward.earlier.get("largest")
        if teacher is None:
            return None
        taught = task.taught(teacher, temperature)
        return temperature**2 * task.divergence(forward.output, taught, temperature)

    return [problem.phase(nas.SupernetStep(problem.supernet, paths, [problem.loss(), soft]))]


METHOD = nas.Method(
    name="tempered",
    family="sandwich",
    paper="after Hinton et al., Distilling the knowledge in a neural network, 2015",
    summary="sandwich rule; the largest teaches softened probabilities, labels teach all",
    phases=tempered,
)

if __name__ == "__main__":
    run = nas.Run(
        space="chain",
        task="digits",
        method="own_method:METHOD",
        method_args={"temperature": 4.0},
        constraints=["flops <= 50% of largest"],
    )
    print(run.search("own-method").best.metrics["accuracy"])
