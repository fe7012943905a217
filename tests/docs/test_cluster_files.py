"""The documentation's cluster files are what Ray and KubeRay read, and their commands are ours."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from nas.cli.app import app

SECTION = (Path(__file__).parents[2] / "docs/clusters.md").read_text()


@pytest.fixture(scope="module")
def files() -> list[dict[str, Any]]:
    """The cluster of ``ray up`` and the job of KubeRay."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)]


@pytest.fixture(scope="module")
def cluster(files: list[dict[str, Any]]) -> dict[str, Any]:
    return files[0]


@pytest.fixture(scope="module")
def job(files: list[dict[str, Any]]) -> dict[str, Any]:
    return files[1]


def parse(words: list[str]) -> None:
    """Reads words as ``nas`` would, and runs nothing.

    Raises:
        Exception: of typer, if it would refuse them.
    """
    command = typer.main.get_command(app)
    assert words[0] == "nas"
    name, *rest = words[1:]
    command.commands[name].make_context(name, rest)  # type: ignore[attr-defined]


def test_the_cluster_is_one_that_ray_up_takes(cluster):
    jsonschema = pytest.importorskip("jsonschema", reason="clusters need ray[default]")
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(cluster)
    validate_config(prepared)
    (nodes,) = prepared["available_node_types"].values()
    assert nodes["min_workers"] == nodes["max_workers"] == len(cluster["provider"]["worker_ips"])
    with pytest.raises(jsonschema.ValidationError, match="'head_start' was unexpected"):
        validate_config(prepare_config({**cluster, "head_start": []}))


def test_every_node_of_the_cluster_gets_what_jobs_need(cluster):
    assert "nas[cluster]" in " ".join(cluster["setup_commands"])


def test_every_node_of_the_cluster_keeps_its_usage_to_itself_and_wants_the_token(cluster):
    for role, option in (("head", "--head"), ("worker", "--address=")):
        (start,) = [command for command in cluster[f"{role}_start_ray_commands"] if " start " in command]
        assert option in start
        assert "RAY_USAGE_STATS_ENABLED=0" in start.split()
        assert "RAY_AUTH_MODE=token" in start.split()
    assert any(path.endswith("/.ray/auth_token") for path in cluster["file_mounts"])


def test_the_job_of_kuberay_has_its_required_fields(job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        assert "ray" in container["image"].rpartition(":")[2]
        assert container["image"].endswith(cluster["rayVersion"])
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]
        assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in group["template"]["spec"]["volumes"]}
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    for group in cluster["workerGroupSpecs"]:
        assert re.fullmatch(r"[a-z0-9-]+", group["groupName"])
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] >= 1


def test_the_job_of_kuberay_runs_a_command_of_ours_and_keeps_its_results_on_the_volume(job):
    words = shlex.split(job["spec"]["entrypoint"])
    parse(words)
    assert words[words.index("--ray") + 1] == "auto"
    for option in ("--results", "--data-dir"):
        assert words[words.index(option) + 1].startswith("/data/")
    with pytest.raises(Exception, match="No such option"):
        parse([*words, "--wrokers", "2"])
