"""Models that people have: what must hold of a conversion holds of them."""

from typing import Any

import pytest
import torch
from guarantees import (
    architectures,
    check_accounts,
    check_extraction,
    check_largest,
    check_untouched,
    check_zeroed,
    fingerprint,
)
from third_party import (
    TIMM,
    TORCHVISION,
    declare_operations,
    import_torchvision,
    timm_model,
    torchvision_model,
    unsettled,
)
from torch import nn

import nas

FAST = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5")


def check(model: nn.Module, example: Any, count: int) -> nas.Supernet:
    before = fingerprint(model)
    space = nas.elastic(model, example, order=None)
    check_untouched(before, model)
    check_accounts(space, model)
    supernet = nas.Supernet(space).eval()
    check_largest(supernet, model, example)
    for seed, architecture in enumerate(architectures(supernet, count)):
        check_extraction(supernet, architecture, model, example)
        check_zeroed(space, supernet, model, example, seed)
    return supernet


@pytest.mark.parametrize("name", FAST)
def test_torchvision(name: str) -> None:
    check(*torchvision_model(name), count=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_all_of_torchvision(name: str) -> None:
    check(*torchvision_model(name), count=20)


@pytest.mark.slow
@pytest.mark.parametrize("name", TIMM)
def test_timm(name: str) -> None:
    check(*timm_model(name), count=20)


@pytest.mark.slow
def test_a_segmentation_network() -> None:
    segmentation = import_torchvision().models.segmentation
    torch.manual_seed(0)
    model = segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
    check(unsettled(model), torch.randn(2, 3, 64, 64), count=5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Bert", "GPT2", "Llama", "ViT", "T5Encoder"])
def test_transformers(kind: str) -> None:
    declare_operations()  # it imports torchvision
    transformers = pytest.importorskip("transformers", reason="transformers cannot be imported here")
    torch.manual_seed(0)
    tokens = torch.randint(0, 90, (2, 12))
    match kind:
        case "Bert":
            sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
            model = transformers.BertModel(transformers.BertConfig(vocab_size=100, **sizes))
        case "GPT2":
            model = transformers.GPT2LMHeadModel(
                transformers.GPT2Config(vocab_size=100, n_embd=64, n_layer=3, n_head=4, use_cache=False)
            )
        case "Llama":
            sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
            model = transformers.LlamaForCausalLM(
                transformers.LlamaConfig(vocab_size=100, num_key_value_heads=2, use_cache=False, **sizes)
            )
        case "ViT":
            sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 96}
            model = transformers.ViTForImageClassification(transformers.ViTConfig(image_size=32, patch_size=8, **sizes))
            tokens = torch.randn(2, 3, 32, 32)
        case _:
            model = transformers.T5EncoderModel(
                transformers.T5Config(vocab_size=100, d_model=64, d_kv=16, d_ff=96, num_layers=3, num_heads=4)
            )
    check(model.eval(), tokens, count=5)
