"""A disk that is full, and one whose power is cut: what was there stays whole, and one is told."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_disk import FullDisk, Node, PowerCut, lay_out
from small_runs import FEW, curve, end_all, make_run, make_set, python

from sslviz import files, runs, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.runs import Run, Spec, checkpoints
from sslviz.worker import diary, work_run
from sslviz.worker import training as glue


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Evaluations on few examples, and everything is written after every step."""
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr(diary, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(diary, "STATUS_SECONDS", 0.0)
    monkeypatch.setattr("sslviz.worker.snapshots.SECONDS", 1e9)
    # A thread that says now and then that the run lives, and whose failure is none: it spoils the count.
    monkeypatch.setattr(glue, "_alive", lambda run: contextlib.nullcontext())
    yield
    end_all()


@pytest.fixture
def images() -> ImageSet:
    images = make_set()
    images.squares(16)  # which is not what is tested here
    return images


def assert_whole(run: Run) -> None:
    """Every JSON parses, lines and complete checkpoints are whole, and nothing half written is left."""
    for path in run.folder.rglob("*"):
        assert not path.name.startswith("."), path
        if path.suffix == ".json":
            files.read_json(path)
    metrics = run.folder / "metrics.jsonl"
    if metrics.exists():
        assert [json.loads(line) for line in metrics.read_text().split("\n")[:-1]] == run.metrics()
        assert metrics.read_text().endswith("\n") or not metrics.read_text()
    for name in ("checkpoints", checkpoints.SNAPSHOTS):
        assert checkpoints.damaged(run.folder / name) == []


def train_on_a_full_disk(images: ImageSet, disk: FullDisk) -> Run:
    run = make_run(images, steps=3)
    said = ""
    with disk.mounted(run.folder):
        try:
            work_run(run)
        except UserError as error:  # there was no room for a word in the run
            said = error.message
    assert_whole(run)
    if disk.failed:
        status = run.status()
        if status.state == "done":  # it was a snapshot, which a run can do without
            _, _, said = status.remark.partition("not kept for the film. ")
        assert said or status.state in ("failed", "lost", "queued")
        if not said:
            assert status.state == "failed"
            said = status.message
        assert said.startswith("The disk is full")
        assert str(run.workspace.parent) in said
    return run


@pytest.mark.parametrize(
    "first", [pytest.param(None, marks=pytest.mark.slow, id="every write"), pytest.param(5, id="some")]
)
def test_whichever_write_finds_the_disk_full_what_was_there_is_whole_and_the_run_goes_on(
    images: ImageSet, first: int | None
) -> None:
    """The n-th write fails, for n = 1, 2, …, alone or with all that follow; later there is room again."""
    count = FullDisk(10**9)
    whole = train_on_a_full_disk(images, count)
    assert whole.status().state == "done"
    assert count.writes > 20
    for number in range(1 if first is None else first, count.writes + 1, 1 if first is None else 9):
        for stays in (False, True):
            disk = FullDisk(number, stays)
            run = train_on_a_full_disk(images, disk)
            assert disk.failed
            assert work_run(runs.open_run(run.workspace, run.id)).state == "done"
            assert curve(run) == curve(whole)
            assert run.status().message == "Done."


def test_a_run_that_finds_no_room_is_not_there_and_names_a_folder_one_can_see() -> None:
    spec = Spec("rotation", "x", minutes=1.0)
    count = FullDisk(10**9)
    with count.mounted(settings.workspace()):
        whole = runs.create(settings.workspace(), spec)
    for number in range(1, count.writes + 1):
        with (
            FullDisk(number).mounted(settings.workspace()),
            pytest.raises(UserError, match="The disk is full") as raised,
        ):
            runs.create(settings.workspace(), spec)
        assert not any(part.startswith(".") for part in raised.value.message.split("/"))
        assert [path.name for path in whole.folder.parent.iterdir()] == [whole.id]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match="The disk is full"):
        files.append(tmp_path / "metrics.jsonl", b"x" * 10)


def test_what_does_not_fit_is_taken_back(tmp_path: Path) -> None:
    """A disk takes a part of what is appended before it says that it is full."""
    path = tmp_path / "metrics.jsonl"
    code = (
        "import resource, signal, sys; from pathlib import Path; from sslviz import files; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "for _ in range(30): files.append(Path(sys.argv[1]), b'x' * 69 + b'\\n')"
    )
    assert python(code, str(path)).wait(60) == 1
    assert path.read_bytes() == (b"x" * 69 + b"\n") * 14


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
def test_a_run_whose_files_may_not_grow_fails_with_the_disk_named(images: ImageSet) -> None:
    """The system itself refuses what is larger than its limit, which only a checkpoint is."""
    assert resource.RLIMIT_FSIZE
    run = make_run(images, steps=2000)
    code = FEW + (
        "import resource, signal, sys; from sslviz.worker import diary, main; "
        "diary.CHECKPOINT_SECONDS = 0.0; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); main(sys.argv[1:])"
    )
    process = python(code, str(run.folder))
    assert process.wait(120) == 0
    status = run.status()
    assert status.state == "failed"
    assert status.message == (
        f"A file of 1.4 MB is larger than may be written at {run.folder / 'checkpoints' / '1'}."
    )
    assert status.step == 1
    assert_whole(run)


def test_a_lost_run_on_a_full_disk_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.create(settings.workspace(), Spec("rotation", "x", minutes=1.0))
    run.set_status(state="running", step=7)
    assert run.status().message == "Stopped unexpectedly at step 7."
    monkeypatch.setattr(files, "free_bytes", lambda folder: 1000)
    assert run.status().message == f"Stopped unexpectedly at step 7: the disk is full at {run.folder}."


# Power cuts


def test_after_a_power_cut_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    power = PowerCut(tmp_path)
    with power.watched():
        for number in range(3):
            files.write_json(tmp_path / "x.json", {"number": number, "padding": "x" * 5000})
    states = [state.get("x.json") for state in power.seen]
    numbers = [-1 if data is None else json.loads(data)["number"] for data in states]
    assert numbers == sorted(numbers)  # once the new one is certain, the old one does not come back
    assert set(numbers) == {-1, 0, 1, 2}
    assert numbers[-1] == 2


def test_a_write_that_flushes_nothing_would_be_noticed(tmp_path: Path) -> None:
    power = PowerCut(tmp_path)
    with power.watched(), (tmp_path / "x.tmp").open("wb") as file:
        file.write(b'{"number": 1}')
        (tmp_path / "x.tmp").replace(tmp_path / "x.json")
    assert {b"", b'{"numb', b'{"number": 1}', None} == {state.get("x.json") for state in power.seen}


def live(workspace: Path) -> None:
    """A run's life as it is written."""
    run = runs.create(workspace, Spec("rotation", "x", steps=6))
    for step in range(1, 7):
        run.append_metric({"step": step, "loss": 0.5})
        run.set_status(state="running", step=step)
        if step % 2 == 0:
            contents = {"model.safetensors": b"m" * 100 + b"%d" % step, "resume.safetensors": b"r" * 100}
            run.save_checkpoint(step, contents)
    run.set_status(state="done")


def test_after_a_power_cut_a_run_is_whole_and_can_go_on(tmp_path: Path) -> None:
    """No state of the disk has a run that cannot be read, a checkpoint that is torn or goes back, or one
    without the points of the curve before it."""
    workspace, rebuilt = tmp_path / "workspace", tmp_path / "rebuilt"
    (workspace / "runs").mkdir(parents=True)
    power = PowerCut(workspace)
    power.tree.names["runs"] = power.tree.kept_names["runs"] = Node(True)
    with power.watched():
        live(workspace)
    assert len(power.seen) > 100
    best, reached = 0, set()
    for state in power.seen:
        shutil.rmtree(rebuilt, ignore_errors=True)
        lay_out(state, rebuilt)
        found = [run for run in runs.listing(rebuilt) if not run.bundled]
        if not found:
            assert best == 0
            continue
        (run,) = found
        assert run.read_status().state in ("queued", "running", "done")
        step = next((step for step, _ in run.checkpoints()), 0)
        assert step >= best - 2  # the newest may be there already, or not yet
        best = max(best, step)
        reached.add(step)
        points = [point["step"] for point in run.metrics()]
        assert points == list(range(1, len(points) + 1))
        assert len(points) >= step
        assert checkpoints.damaged(run.folder / "checkpoints") == []
    assert reached == {0, 2, 4, 6}


def test_a_checkpoint_goes_only_when_a_newer_one_is_certain(tmp_path: Path) -> None:
    parent = tmp_path / "checkpoints"
    power = PowerCut(tmp_path)
    contents: dict[str, Any] = {"model.safetensors": b"m" * 100}
    with power.watched():
        for step in (1, 2, 3):
            checkpoints.save(parent, step, contents)
    rebuilt = tmp_path.with_name("rebuilt")
    best = 0
    for state in power.seen:
        shutil.rmtree(rebuilt, ignore_errors=True)
        lay_out(state, rebuilt)
        step = next((step for step, _ in checkpoints.sound(rebuilt / "checkpoints")), 0)
        assert step >= best - 1  # the newest may be there already or not
        best = max(best, step)
    assert best == 3
