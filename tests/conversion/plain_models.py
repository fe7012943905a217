"""Small plain models of the main families, each with an example of its input."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MODELS", "Made", "made"]


@dataclass(frozen=True)
class Made:
    """A model in evaluation mode, and what its forward takes."""

    model: nn.Module
    example: Any

    def run(self, network: nn.Module) -> Tensor:
        with torch.no_grad():
            output: Tensor = network(self.example)
            return output


def made(name: str) -> Made:
    """A model with weights and statistics that are no longer those of a fresh one."""
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_mean, module.bias):
                nn.init.normal_(tensor, 0, 0.2)  # type: ignore[arg-type]
            for tensor in (module.running_var, module.weight):
                nn.init.uniform_(tensor, 0.5, 1.5)  # type: ignore[arg-type]
    return Made(model, torch.randint(0, 50, shape) if len(shape) == 2 else torch.randn(shape))


def conv_norm(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv_norm(inputs, hidden), conv_norm(hidden, hidden, 3, stride, groups)
        self.conv3 = nn.Sequential(nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(self.conv2(self.conv1(x)))
        y += self.shortcut(x)
        return F.relu(y, inplace=True)


class ResNet(nn.Module):
    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.stem, self.pool = conv_norm(3, 16, 7, 2), nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(
            Bottleneck(16, 16, 32, 1, groups), *(Bottleneck(32, 16, 32, 1, groups) for _ in range(2))
        )
        self.layer2 = nn.Sequential(Bottleneck(32, 32, 64, 2, groups), Bottleneck(64, 32, 64, 1, groups))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.pool(self.stem(x))))
        y: Tensor = self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
        return y


class DenseLayer(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 32, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(32), nn.Conv2d(32, 16, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        y: Tensor = self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(torch.cat(features, 1)))))))
        return y


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.layers = nn.ModuleList(DenseLayer(16 + 16 * number) for number in range(3))
        self.transition = conv_norm(64, 32)
        self.head = nn.Linear(32 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(features))
        y = F.adaptive_avg_pool2d(self.transition(torch.cat(features, 1)), 2)
        z: Tensor = self.head(y.view(y.size(0), -1))
        return z


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, 16, 1), nn.Conv2d(16, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * F.hardsigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        hidden = 3 * inputs
        self.block = nn.Sequential(
            *conv_norm(inputs, hidden),
            *conv_norm(hidden, hidden, kernel, stride, hidden),
            SqueezeExcite(hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.adds else y


def mobilenet() -> nn.Module:
    stages = [
        InvertedResidual(16, 24, 2),
        InvertedResidual(24, 24, 1, 5),
        InvertedResidual(24, 24, 1),
        InvertedResidual(24, 32, 2, 5),
    ]
    return nn.Sequential(
        nn.Sequential(*conv_norm(3, 16, 3, 2), *stages, *conv_norm(32, 64)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )


class ShuffleBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            *conv_norm(half, half),
            nn.Conv2d(half, half, 3, padding=1, groups=half),
            nn.BatchNorm2d(half),
            *conv_norm(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        y = torch.cat([left, self.branch(right)], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def shufflenet() -> nn.Module:
    blocks = [ShuffleBlock(32) for _ in range(2)]
    return nn.Sequential(
        *conv_norm(3, 32, 3, 2), *blocks, *conv_norm(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


class Inception(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.one = conv_norm(inputs, 16)
        self.three = nn.Sequential(*conv_norm(inputs, 16), *conv_norm(16, 24, 3))
        self.tall = nn.Sequential(
            nn.Conv2d(inputs, 16, (1, 5), padding=(0, 2)), nn.Conv2d(16, 16, (5, 1), padding=(2, 0))
        )
        self.pooled = conv_norm(inputs, 8)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(F.max_pool2d(x, 3, stride=1, padding=1))
        return torch.cat([self.one(x), self.three(x), self.tall(x), pooled], dim=1)


def googlenet() -> nn.Module:
    return nn.Sequential(
        *conv_norm(3, 16, 3, 2), Inception(16), Inception(64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


class ChannelsFirstNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        y = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm, self.up, self.down = (
            nn.LayerNorm(channels),
            nn.Linear(channels, 4 * channels),
            nn.Linear(4 * channels, channels),
        )
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(F.gelu(self.up(y)))
        return x + y.permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 16, 4, 4), ChannelsFirstNorm(16)),
        nn.Sequential(ConvNeXtBlock(16), ConvNeXtBlock(16)),
        nn.Sequential(ChannelsFirstNorm(16), nn.Conv2d(16, 32, 2, 2)),
        nn.Sequential(ConvNeXtBlock(32)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


class Embed(nn.Module):
    """Patches with a class token in front, and positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.token, self.positions = nn.Parameter(torch.randn(1, 1, width)), nn.Parameter(torch.randn(1, 17, width))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions


class ViT(nn.Module):
    """With the layers that torch has."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = Embed(32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.encoder(self.embed(x))[:, 0])
        return y


class FusedAttention(nn.Module):
    """Queries, keys and values by one layer, and sizes of its own in the forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads, self.scale = heads, (width // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        y: Tensor = self.proj((attention @ v).transpose(1, 2).reshape(B, N, C))
        return y


class ViTBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2 = nn.LayerNorm(width), FusedAttention(width, 4), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class FusedViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = Embed(32)
        self.blocks = nn.Sequential(*(ViTBlock(32) for _ in range(3)))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.norm(self.blocks(self.embed(x)))[:, 0])
        return y


class WindowBlock(nn.Module):
    """Attention in shifted windows with a bias for each head."""

    def __init__(self, width: int, shift: int) -> None:
        super().__init__()
        self.norm, self.heads, self.shift = nn.LayerNorm(width), 4, shift
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.randn(4, 16, 16))
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))

    def forward(self, x: Tensor) -> Tensor:
        B, H, W, C = x.shape
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(B, H // 4, 4, W // 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, C)
        qkv = (
            F.linear(y, self.qkv.weight, self.qkv.bias)
            .reshape(y.shape[0], 16, 3, self.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        q, k, v = qkv.unbind(0)
        attention = ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + self.bias).softmax(-1)
        y = self.proj((attention @ v).transpose(1, 2).flatten(2))
        y = y.view(B, H // 4, W // 4, 4, 4, C).permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, C)
        x = x + torch.roll(y, (self.shift, self.shift), (1, 2))
        z: Tensor = x + self.mlp(x)
        return z


class Merge(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        y: Tensor = self.reduce(self.norm(torch.cat(parts, -1)))
        return y


class Swin(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.stages = nn.Sequential(WindowBlock(16, 0), WindowBlock(16, 2), Merge(16), WindowBlock(32, 0))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.stages(self.patches(x).permute(0, 2, 3, 1)).mean((1, 2)))
        return y


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = conv_norm(3, 16, 3), conv_norm(16, 32, 3), conv_norm(32, 64, 3)
        self.up2, self.merge2 = nn.ConvTranspose2d(64, 32, 2, 2), conv_norm(64, 32, 3)
        self.merge1, self.out = conv_norm(48, 16, 3), nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        y = self.up2(self.middle(F.avg_pool2d(two, 2)))
        y = F.interpolate(self.merge2(torch.cat([y, two], 1)), scale_factor=2.0, mode="bilinear")
        z: Tensor = self.out(self.merge1(torch.cat([y, one], 1)))
        return z


class DeepLabHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*conv_norm(3, 16, 3, 2), *conv_norm(16, 32, 3, 2))
        self.branches = nn.ModuleList([conv_norm(32, 16), *(self._dilated(rate) for rate in (2, 3))])
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 16, 1), nn.ReLU())
        self.project, self.classifier = conv_norm(64, 32), nn.Conv2d(32, 4, 1)

    def _dilated(self, rate: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(32, 16, 3, padding=rate, dilation=rate, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.backbone(x)
        parts = [branch(y) for branch in self.branches]
        parts.append(F.interpolate(self.pooled(y), size=y.shape[-2:], mode="bilinear", align_corners=False))
        return F.interpolate(self.classifier(self.project(torch.cat(parts, 1))), size=x.shape[-2:], mode="bilinear")


class BertLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_attention_heads, self.attention_head_size = heads, width // heads
        self.all_head_size = width
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.up, self.down, self.out_norm = nn.Linear(width, 64), nn.Linear(64, width), nn.LayerNorm(width)

    def heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.num_attention_heads, self.attention_head_size).permute(0, 2, 1, 3)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        scores = torch.matmul(self.heads(self.query(x)), self.heads(self.key(x)).transpose(-1, -2))
        probabilities = F.softmax(scores / math.sqrt(self.attention_head_size), dim=-1)
        context = torch.matmul(probabilities, self.heads(self.value(x))).permute(0, 2, 1, 3).contiguous()
        x = self.norm(self.dense(context.view(*context.shape[:-2], self.all_head_size)) + x)
        return (self.out_norm(self.down(F.gelu(self.up(x))) + x),)


class Bert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions, self.norm = nn.Embedding(50, 32), nn.Embedding(16, 32), nn.LayerNorm(32)
        self.layers = nn.ModuleList(BertLayer(32, 4) for _ in range(3))
        self.pooler = nn.Linear(32, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.norm(self.words(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device)))
        for layer in self.layers:
            x = layer(x)[0]
        y: Tensor = self.pooler(x[:, 0])
        return y


class OwnNorm(nn.Module):
    """Root mean square, written out."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class GptBlock(nn.Module):
    """Grouped queries, rotated positions, a gated feed-forward."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head_dim = 8
        self.q, self.k, self.v = nn.Linear(width, 64, False), nn.Linear(width, 32, False), nn.Linear(width, 32, False)
        self.o, self.norm1, self.norm2 = nn.Linear(64, width, False), OwnNorm(width), OwnNorm(width)
        self.gate_up, self.down = nn.Linear(width, 2 * 48, False), nn.Linear(48, width, False)

    def rotated(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, -1)
        places, speeds = (torch.arange(n, dtype=x.dtype, device=x.device) for n in (x.shape[-2], 4))
        angle = places[:, None] / 100 ** (speeds / 4)
        turns = torch.cat([angle, angle], -1)
        return x * turns.cos() + torch.cat([-right, left], -1) * turns.sin()

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        y = self.norm1(x)
        q, k, v = (layer(y).view(n, length, -1, self.head_dim).transpose(1, 2) for layer in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).reshape(n, length, -1))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, -1)
        z: Tensor = x + self.down(F.silu(gate) * up)
        return z


class Gpt(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(50, 32), OwnNorm(32)
        self.blocks = nn.ModuleList(GptBlock(32) for _ in range(2))
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.head(self.norm(x))
        return y


class AudioBlock(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.norm, self.out = nn.GroupNorm(8, channels), nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.out(F.glu(self.conv(self.norm(x)), dim=1))
        return y


def audio() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 32, 9, 4, 4),
        nn.Sequential(*(AudioBlock(32, rate) for rate in (1, 2, 4))),
        nn.InstanceNorm1d(32, affine=True),
        nn.PReLU(32),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def pose() -> nn.Module:
    up = [
        nn.ConvTranspose2d(48, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 32, 3, 1, 1, groups=32),
    ]
    return nn.Sequential(
        *conv_norm(3, 16, 3, 2),
        *conv_norm(16, 48, 3, 2),
        *up,
        nn.Conv2d(32, 64, 1),
        nn.PixelShuffle(2),
        nn.Conv2d(16, 5, 1),
    )


_IMAGE, _TOKENS = (2, 3, 32, 32), (2, 12)

MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (ResNet, _IMAGE),
    "regnet": (lambda: ResNet(groups=4), _IMAGE),
    "densenet": (DenseNet, _IMAGE),
    "mobilenet": (mobilenet, _IMAGE),
    "shufflenet": (shufflenet, _IMAGE),
    "googlenet": (googlenet, _IMAGE),
    "convnext": (convnext, _IMAGE),
    "vit": (ViT, _IMAGE),
    "fused_vit": (FusedViT, _IMAGE),
    "swin": (Swin, _IMAGE),
    "unet": (UNet, _IMAGE),
    "deeplab_head": (DeepLabHead, _IMAGE),
    "bert": (Bert, _TOKENS),
    "gpt": (Gpt, _TOKENS),
    "audio": (audio, (2, 1, 128)),
    "pose": (pose, _IMAGE),
}
