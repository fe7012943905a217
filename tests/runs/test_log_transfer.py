"""A run's folder on its way through the log of a job."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from nas.errors import UsageError
from nas.runs.log_transfer import pack, unpack
from nas.setup import RunFolder, resolve


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """What a finished run leaves, with contents of no meaning."""
    folder = RunFolder(tmp_path / "there" / "run")
    folder.create(resolve({}, "test"))
    for file in (folder.best, folder.report, folder.candidates, folder.supernet):
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(file.name))
    folder.onnx.write_bytes(bytes(range(256)) * 100)
    (folder.path / ".lock").touch()
    return folder


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def parcel_of(*members: tarfile.TarInfo) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member)
    content = buffer.getvalue()
    return f"begin parcel {hashlib.sha256(content).hexdigest()} 0\n{base64.encodebytes(content).decode()}end parcel"


def test_a_run_comes_through_a_log_as_it_was(run, tmp_path):
    log = f"some warning\nbegin parcel\n{pack(run)}\nanother warning"
    assert unpack(log, tmp_path / "here" / "run") == 0
    sent = files(run.path)
    del sent[".lock"]
    assert files(tmp_path / "here" / "run") == sent
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["run"]


def test_large_checkpoints_come_only_when_they_are_asked_for(run, tmp_path, monkeypatch):
    monkeypatch.setattr("nas.runs.log_transfer._LARGEST_CHECKPOINTS", 10)
    assert unpack(pack(run), tmp_path / "without") == run.supernet.stat().st_size
    assert not (tmp_path / "without" / "checkpoints").exists()
    assert (tmp_path / "without" / "best.onnx").exists()
    assert unpack(pack(run, checkpoints=True), tmp_path / "with") == 0
    assert RunFolder(tmp_path / "with").supernet.exists()


def test_a_run_that_is_not_complete_is_not_packed(run):
    run.best.unlink()
    with pytest.raises(UsageError, match="run 'run' is not complete; submit it again"):
        pack(run)
    with pytest.raises(UsageError, match="run 'rum' does not exist"):
        pack(RunFolder(run.path.with_name("rum")))


@pytest.mark.parametrize("damage", [lambda text: "", lambda text: text[:-200], lambda text: text.replace("A", "B", 1)])
def test_what_is_damaged_leaves_nothing(run, tmp_path, damage):
    with pytest.raises(UsageError, match="is damaged; fetch it again"):
        unpack(damage(pack(run)), tmp_path / "here" / "run")
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_plain_files_come(kind, tmp_path):
    member = tarfile.TarInfo("best.onnx")
    member.type, member.linkname, member.devmajor = kind, "config.yaml", 1
    with pytest.raises(UsageError, match="is not the folder of a run"):
        unpack(parcel_of(member), tmp_path / "here" / "run")
    assert not list((tmp_path / "here").iterdir())


def parcel_with(content: bytes) -> str:
    """What holds an archive of these bytes, compressed."""
    packed = gzip.compress(content, mtime=0)
    return f"begin parcel {hashlib.sha256(packed).hexdigest()} 0\n{base64.encodebytes(packed).decode()}end parcel"


def test_what_unpacks_to_more_than_any_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("nas.runs.log_transfer._LEAST_ROOM", 10**6)
    file = tarfile.TarInfo("best.onnx")
    file.size = 2 * 10**6
    texts = {
        "a file": parcel_with(file.tobuf() + bytes(3 * 10**6)),
        "a file that is not all there": parcel_with(file.tobuf()),
        "many": parcel_with(b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(3000))),
    }
    for what, text in texts.items():
        with pytest.raises(UsageError, match="is not the folder of a run"):
            unpack(text, tmp_path / "here" / "run")
        assert not list((tmp_path / "here").iterdir()), what


def test_a_name_is_short_and_shows_what_it_is(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**21
    long = header.tobuf() + b"n" * 2**21 + tarfile.TarInfo("n").tobuf()
    texts = [parcel_with(long), *(parcel_of(tarfile.TarInfo(name)) for name in ("n" * 300, "a\nb", "a\x1b[2J"))]
    for text in texts:
        with pytest.raises(UsageError, match=r"is not the folder of a run .*a name in it") as caught:
            unpack(text, tmp_path / "here" / "run")
        assert str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_the_pickled_state_of_trainings_does_not_travel(run, tmp_path):
    state = run.retraining / "trials" / "experiment_state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    unpack(pack(run), tmp_path / "here" / "run")
    assert not RunFolder(tmp_path / "here" / "run").retraining.exists()
    states = [tarfile.TarInfo(f"{folder}/trials/experiment_state.json") for folder in ("./retrain", "Retrain")]
    unpack(parcel_of(*states, tarfile.TarInfo("best.json")), tmp_path / "there_too" / "run")
    assert sorted(files(tmp_path / "there_too")) == ["run/best.json"]


@pytest.mark.parametrize("way_round", ["/retrain", "//retrain", "checkpoints/../retrain"])
def test_it_does_not_travel_by_a_way_round(way_round, tmp_path):
    state = tarfile.TarInfo(f"{way_round}/trials/trainable.pkl")
    with pytest.raises(UsageError, match="is not the folder of a run"):
        unpack(parcel_of(tarfile.TarInfo("best.json"), state), tmp_path / "here" / "run")
    assert not list((tmp_path / "here").iterdir())


def test_nothing_gets_out_of_the_folder(tmp_path):
    above, absolute, link = (tarfile.TarInfo(name) for name in ("../above", "/absolute", "link"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(UsageError, match="is not the folder of a run"):
        unpack(parcel_of(above), tmp_path / "here" / "run")
    with pytest.raises(UsageError, match="is not the folder of a run"):
        unpack(parcel_of(link), tmp_path / "here" / "run")
    with pytest.raises(UsageError, match="is not the folder of a run"):
        unpack(parcel_of(absolute), tmp_path / "here" / "run")
    assert files(tmp_path) == {}
