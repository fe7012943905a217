"""Models of other packages, where these can be imported."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

__all__ = [
    "TIMM",
    "TORCHVISION",
    "declare_operations",
    "import_torchvision",
    "timm_model",
    "torchvision_model",
    "unsettled",
]

TORCHVISION = {
    "resnet18": 64,
    "densenet121": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "regnet_y_400mf": 64,
    "shufflenet_v2_x0_5": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "convnext_tiny": 64,
    "vit_b_16": 224,
    "swin_t": 64,
    "maxvit_t": 224,
    "squeezenet1_1": 64,
    "mnasnet0_5": 64,
    "vgg11_bn": 64,
}
"""Name → size of an image."""
TIMM = {
    "vit_tiny_patch16_224": 224,
    "deit3_small_patch16_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "mixer_s32_224": 224,
    "convnextv2_atto": 64,
    "resnetv2_50": 64,
    "ghostnet_100": 64,
    "hrnet_w18_small": 64,
    "mobilevit_xxs": 64,
    "skresnet18": 64,
    "resnest14d": 64,
    "repvgg_a0": 64,
    "dla34": 64,
    "xcit_nano_12_p16_224": 224,
    "cait_xxs24_224": 224,
    "pvt_v2_b0": 64,
}

_HELD: list[Any] = []


def declare_operations() -> None:
    """Two of torchvision's compiled operations, which are missing beside another build of PyTorch."""
    if not _HELD and not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _HELD.append(library)


def import_torchvision() -> Any:
    declare_operations()
    return pytest.importorskip("torchvision", reason="torchvision cannot be imported here")


def torchvision_model(name: str) -> tuple[nn.Module, Tensor]:
    models = import_torchvision().models
    options = {"init_weights": True, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, **options)
    return unsettled(model), torch.randn(2, 3, TORCHVISION[name], TORCHVISION[name])


def timm_model(name: str) -> tuple[nn.Module, Tensor]:
    import_torchvision()
    timm = pytest.importorskip("timm", reason="timm cannot be imported here")
    torch.manual_seed(0)
    return unsettled(timm.create_model(name)), torch.randn(2, 3, TIMM[name], TIMM[name])


def unsettled(model: nn.Module) -> nn.Module:
    """The model in evaluation mode, with batch-norm statistics that are no longer those of a fresh one."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()
