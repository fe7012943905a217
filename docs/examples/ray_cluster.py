"""Candidates are evaluated by two workers of Ray: of this machine, or of the cluster that it is in."""

import nas

if __name__ == "__main__":
    run = nas.Run(
        space="chain",
        task="digits",
        method="spos",
        workers=2,
        ray={"gpus_per_worker": 0},  # on a cluster: {"address": "auto", "gpus_per_worker": 0.5}
        constraints=["flops <= 50% of largest"],
    )
    print(run.search("ray-cluster").best.metrics["accuracy"])
