import hashlib
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from nas.errors import UsageError
from nas.export import check_parity, dynamic_onnx, open_session, static_onnx, with_metadata, write_onnx
from nas.tasks import Classification

TASK = Classification(["cat", "dog"])


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.embedding(ids).mean(1))


class FixedBatch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 3 * 8 * 8)


class Flip(nn.Module):
    """rot90 is unknown to the TorchScript exporter."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.rot90(x, 1, (2, 3)).flatten(1)


def small_network() -> nn.Sequential:
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.Hardswish(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    network(torch.randn(16, 3, 8, 8))  # moves the running statistics away from 0 and 1
    return network


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Sequential, Path]:
    network = small_network()
    path = tmp_path_factory.mktemp("onnx") / "deep" / "best.onnx"
    return network, write_onnx(network, path, (3, 8, 8), metadata={"classes": "a,b", "mean": "0.5"})


def test_file_is_one_checked_graph_with_metadata(written: tuple[nn.Sequential, Path]) -> None:
    _, path = written
    model = onnx.load(path)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": "a,b", "mean": "0.5"}
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input", "output"]
    assert [entry.name for entry in path.parent.iterdir()] == ["best.onnx"]
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}


def test_answers_as_torch_does_for_every_batch_size(written: tuple[nn.Sequential, Path]) -> None:
    network, path = written
    images = torch.randn(131, 3, 8, 8)
    for count in (1, 2, 131):
        parity = check_parity(network, path, images[:count], TASK)
        assert parity.samples == count
        assert parity.max_difference < 1e-5
        assert parity.label_agreement == 1.0


def test_parity_sees_another_network(written: tuple[nn.Sequential, Path]) -> None:
    network, path = written
    other = small_network()
    with torch.no_grad():
        other[-1].weight.neg_()
        other[-1].bias.neg_()
    parity = check_parity(other, path, torch.randn(20, 3, 8, 8), TASK)
    assert parity.max_difference > 0.1
    assert parity.label_agreement < 1.0
    assert network.training


def test_token_ids(tmp_path: Path) -> None:
    network = Tokens()
    path = write_onnx(network, tmp_path / "tokens.onnx", (6,), dtype=torch.int64)
    assert check_parity(network, path, torch.randint(0, 11, (9, 6)), TASK).max_difference < 1e-6


def test_export_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: object) -> None:
    write_onnx(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), tmp_path / "a.onnx", (4,))
    static_onnx(nn.Linear(4, 2), (4,))
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


def test_static_bytes_have_a_fixed_batch_and_the_same_answer() -> None:
    network = small_network().eval()
    session = open_session(static_onnx(network, (3, 8, 8), batch=4))
    assert session.get_inputs()[0].shape == [4, 3, 8, 8]
    images = torch.randn(4, 3, 8, 8)
    (answer,) = session.run(None, {"input": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(answer), network(images), atol=1e-5, rtol=1e-5)


def test_unknown_operation_takes_the_slower_exporter(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        session = open_session(static_onnx(Flip(), (1, 2, 3)))
    assert "slower ONNX exporter" in caplog.text
    assert capfd.readouterr() == ("", "")
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert session.run(None, {"input": image.numpy()})[0].tolist() == Flip()(image).tolist()


def test_types_that_the_fast_exporter_mixes_take_the_slower_one(caplog: pytest.LogCaptureFixture) -> None:
    class Causal(nn.Module):
        def __init__(self, dtype: torch.dtype) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(8, dtype=dtype)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True))

    for dtype, slower in ((torch.float32, False), (torch.float16, True)):
        network, x = Causal(dtype), torch.randn(1, 2, 4, 8).to(dtype)
        with caplog.at_level(logging.WARNING):
            session = open_session(static_onnx(network, (2, 4, 8), dtype=dtype))
        assert ("slower ONNX exporter" in caplog.text) == slower
        (answer,) = session.run(None, {"input": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(answer), network(x).detach(), rtol=1e-2, atol=1e-2)


def test_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "best.onnx"
    path.write_bytes(b"old")
    with pytest.raises(UsageError, match="Linear cannot be written as ONNX for an input of shape"):
        write_onnx(nn.Linear(4, 2), path, (5,))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_fixed_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="batch"):
        write_onnx(FixedBatch(), tmp_path / "fixed.onnx", (3, 8, 8))


def test_mistakes_get_a_sentence(written: tuple[nn.Sequential, Path], tmp_path: Path) -> None:
    network, path = written
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    for images, match in [
        (torch.randn(2, 3, 9, 9), r"expects inputs of shape \[N, 3, 8, 8\]"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.zeros(0, 3, 8, 8), "at least one"),
    ]:
        with pytest.raises(UsageError, match=match):
            check_parity(network, path, images, TASK)
    with pytest.raises(UsageError, match="cannot be opened"):
        open_session(broken)
    with pytest.raises(UsageError, match="cannot be opened"):
        open_session(tmp_path / "missing.onnx")
    with pytest.raises(UsageError, match="did you mean 'CPUExecutionProvider'"):
        open_session(path, provider="CPUProvider")
    with pytest.raises(UsageError, match="positive whole numbers"):
        write_onnx(network, path, (3, -1, 8))


def test_every_dimension_that_follows_the_batch_is_named_after_it() -> None:
    class Rows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = x.sin().reshape(x.shape[0] * 4, 6).exp()
            return rows.reshape(-1, 24)

    graph = onnx.load_from_string(dynamic_onnx(Rows(), (4, 6))).graph
    names = {
        dimension.dim_param
        for value in (*graph.input, *graph.output, *graph.value_info)
        for dimension in value.type.tensor_type.shape.dim
    }
    assert "batch" in names
    assert all(not name or re.fullmatch(r"(\d+\*)?batch(\*\d+)?", name) for name in names), names


@pytest.mark.parametrize("slower", [False, True])
def test_nothing_tells_where_and_by_what_code_it_was_exported(slower: bool) -> None:
    network = nn.Sequential(small_network()[:5], Flip()) if slower else small_network()
    for model in (dynamic_onnx(network, (3, 8, 8)), static_onnx(network, (3, 8, 8))):
        for text in (str(Path(__file__).parent), str(Path.cwd()), str(Path(torch.__file__).parent), "in forward"):
            assert text.encode() not in model
        parts = [onnx.load_from_string(model).graph]
        parts += [*parts[0].node, *parts[0].initializer, *parts[0].input, *parts[0].output, *parts[0].value_info]
        assert not any(part.doc_string or part.metadata_props for part in parts)


def test_equal_networks_give_equal_bytes() -> None:
    first, second = (dynamic_onnx(small_network(), (3, 8, 8)) for _ in range(2))
    assert first == second
    assert with_metadata(first, {"a": "1"}) == with_metadata(second, {"a": "1"}) != first


@pytest.mark.whole
def test_a_process_of_its_own_gives_the_same_bytes() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    code = (
        "import hashlib, torch; from torch import nn; from nas.export import dynamic_onnx; torch.manual_seed(0);"
        "network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3));"
        "print(hashlib.sha256(dynamic_onnx(network, (1, 4, 4))).hexdigest())"
    )
    command, environment = [sys.executable, "-c", code], {**os.environ, "PYTHONHASHSEED": "5"}
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(dynamic_onnx(network, (1, 4, 4))).hexdigest()
