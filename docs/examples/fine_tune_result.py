"""What a search found is a plain torch module: load it, train it on, export it again."""

import torch
from torch import nn

import nas

if __name__ == "__main__":
    run = nas.Run(space="chain", task="digits", method="spos", constraints=["flops <= 50% of largest"])
    result = run.search("to-fine-tune")

    network, data = result.best.network(), nas.data.load("digits")
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    network.train()
    for images, labels in data.train.batches(64):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
    nas.write_onnx(network.eval(), "fine-tuned.onnx", data.input_shape)
