"""What a model computes, in words that are the same in every process and on every machine.

A checkpoint keeps them, so that weights are not loaded into code that has changed since: parameters alone do not tell
a ReLU from a GELU, or a stride of 1 from one of 2.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from nas.costs.tracing import meta_copy
from nas.errors import UsageError
from nas.nn.tree import below
from nas.space import Architecture
from nas.supernet import Supernet

__all__ = ["check_fingerprint", "described", "fingerprint"]

Fingerprint = dict[str, str]
"""What is told → how it is; ``module``, ``parameter`` or ``operations``, then a path in the model."""

logger = logging.getLogger(__name__)


def fingerprint(model: nn.Module, example: Tensor) -> Fingerprint:
    """The classes of the modules, the shapes of the parameters, and the operations with their constants.

    Operations are those that ATen runs on the meta device, in evaluation mode: of a supernet in architectures that
    between them take every candidate of every choice, as far as those are active there. A network whose forward cannot
    run without values, such as one that branches on them, is told by its modules and parameters alone, whatever it
    raises: if it is wrong, training says so.

    Args:
        model: stays as it is, but for a supernet, which follows its largest architecture afterwards.
        example: a batch of inputs; only its shape and type matter.
    """
    if isinstance(model, Supernet):
        model.activate(model.space.largest())
    model = meta_copy(model)
    found = {f"module '{path}'": type(module).__qualname__ for path, module in model.named_modules()}
    found |= {f"parameter '{path}'": str(list(each.shape)) for path, each in model.named_parameters()}
    networks = map(model.extract, _cover(model)) if isinstance(model, Supernet) else [model]
    sequences: dict[str, set[str]] = {}
    inputs = example[:1].to("meta")
    for network in networks:
        for path, operations in _operations(network, inputs).items():
            sequences.setdefault(path, set()).add("; ".join(operations))
    return found | {f"operations of '{path}'": " or ".join(sorted(each)) for path, each in sequences.items()}


def check_fingerprint(header: Mapping[str, Any], now: Fingerprint, checkpoint: Path) -> None:
    """Compares a model with what the header of a checkpoint tells; one from before it told anything is taken.

    Raises:
        UsageError: the code has changed since; operations are compared where PyTorch is of the same release.
    """
    stored: dict[str, Any] | None = header.get("fingerprint")
    if stored is None:
        logger.warning("checkpoint %s does not say which model it is of; whether code changed is unknown", checkpoint)
        return
    then, same_release = stored["model"], stored["torch"] == _release()
    for name in sorted(then.keys() | now.keys(), key=lambda name: (name.startswith("operations"), name)):
        if then.get(name) != now.get(name) and (same_release or not name.startswith("operations")):
            logger.debug("%s: %s was %s and is %s now", checkpoint, name, then.get(name), now.get(name))
            raise UsageError(
                f"checkpoint {checkpoint} was trained with other code: {_difference(name, then, now)}, so its weights "
                "belong to another model; restore the code as it was, or start a run of another name."
            )


def described(model: Fingerprint) -> dict[str, Any]:
    """What the header of a checkpoint keeps as ``fingerprint``."""
    return {"torch": _release(), "model": model}


def _cover(supernet: Supernet) -> Iterator[Architecture]:
    """The largest and the smallest, then in turn the first candidate of every choice, the second and so on."""
    space = supernet.space
    most = max(map(len, space.choices.values()))
    rows = (
        {name: candidates[min(index, len(candidates) - 1)] for name, candidates in space.choices.items()}
        for index in range(most)
    )
    yield from dict.fromkeys([space.largest(), space.smallest(), *map(space.architecture, rows)])


def _operations(network: nn.Module, inputs: Tensor) -> dict[str, list[str]]:
    """The operations that each module runs itself, by its path; nothing where the network does not run so."""
    recorder = _Recorder()
    try:
        with torch.inference_mode(False), torch.no_grad(), recorder.paths_of(network), recorder:
            network(inputs)
    except Exception as error:  # whatever the code of a user raises where there are no values
        logger.debug("%s does not run on the meta device: %r", type(network).__name__, error)
        return {}
    return recorder.found


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down each operation with its constants, under the module that runs it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: dict[str, list[str]] = {}
        self._path: list[str] = [""]

    @contextmanager
    def paths_of(self, network: nn.Module) -> Iterator[None]:
        """Follows which module is at work."""
        with ExitStack() as hooks:
            for path, module in network.named_modules():
                enter = module.register_forward_pre_hook(lambda *_, path=path: self._path.append(path))
                leave = module.register_forward_hook(lambda *_: self._leave())
                hooks.callback(enter.remove)
                hooks.callback(leave.remove)
            yield

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        constants = tree_map(lambda each: _TENSOR if isinstance(each, Tensor) else each, (args, kwargs or {}))
        self.found.setdefault(self._path[-1], []).append(f"{func} {constants[0]} {sorted(constants[1].items())}")
        return func(*args, **(kwargs or {}))

    def _leave(self) -> None:
        self._path.pop()


class _Tensor:
    """Stands for a tensor among constants."""

    def __repr__(self) -> str:
        return "T"


_TENSOR = _Tensor()


def _release() -> str:
    """The release of PyTorch, since operations may be called otherwise in another."""
    return ".".join(torch.__version__.split(".")[:2])


def _difference(name: str, then: Fingerprint, now: Fingerprint) -> str:
    """What a user sees of a difference: which module or parameter of the model, and how it changed."""
    kind, path = name.removesuffix("'").split(" '", 1)
    kind, within = kind.removesuffix(" of"), "model" if now.get("module ''") == Supernet.__name__ else ""
    if kind != "operations" and within:
        path = "" if path == within else path.removeprefix(f"{within}.")
    thing = f"{'parameter' if kind == 'parameter' else 'module'} '{path}'" if path else "the model"
    if kind == "operations":
        layer = now.get(f"module '{below(within, path) if path else within}'", "which is gone")
        return f"{thing} ({layer}) does not compute what it did"
    if name not in now:
        return f"{thing} ({then[name]}) is no longer there"
    if name not in then:
        return f"{thing} ({now[name]}) is new"
    return f"{thing} was {then[name]} and is {now[name]} now"
