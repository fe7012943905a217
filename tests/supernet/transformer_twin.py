"""PyTorch's own transformer layer with the weights of an extracted one."""

import torch
from torch import nn

__all__ = ["twin_of"]


@torch.no_grad()
def twin_of(layer: nn.Module, heads: int) -> nn.TransformerEncoderLayer:
    """PyTorch's own layer with the weights of an extracted one whose heads together are as wide as a token."""
    own = dict(layer.named_parameters())
    width, hidden = own["feed_forward.project.weight"].shape
    twin = nn.TransformerEncoderLayer(width, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
    values = {
        f"self_attn.in_proj_{kind}": torch.cat([own[f"attention.{name}.{kind}"] for name in ("query", "key", "value")])
        for kind in ("weight", "bias")
    }
    names = {
        "self_attn.out_proj": "attention.out",
        "linear1": "feed_forward.expand",
        "linear2": "feed_forward.project",
        "norm1": "attention_norm",
        "norm2": "feed_forward_norm",
    }
    values |= {f"{a}.{kind}": own[f"{b}.{kind}"] for a, b in names.items() for kind in ("weight", "bias")}
    twin.load_state_dict(values)
    return twin.double().eval()
