"""Run folders: what is written is whole, and whatever else lies there does no harm."""

from __future__ import annotations

import errno
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from sslviz import cli, files, runs, settings
from sslviz.errors import UserError
from sslviz.runs import ID, Run, Spec, Status, create, listing, new_id, open_run

SPEC = Spec(task="rotation", images="my photos", minutes=1.0)


@pytest.fixture
def run() -> Run:
    return create(settings.workspace(), SPEC)


def test_ids_are_in_the_order_of_creation_even_when_the_clock_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = settings.workspace()
    made = []
    for now in (2e9, 2e9, 1e9, 1.5e9, 2e9 + 5):
        monkeypatch.setattr(runs.time, "time", lambda now=now: now)
        made.append(create(workspace, SPEC).id)
    assert made == sorted(made)
    assert len(set(made)) == 5
    assert all(ID.fullmatch(one) for one in made)
    assert [one.id for one in listing(workspace) if not one.bundled] == made[::-1]
    assert open_run(workspace, "latest").id == made[-1]
    assert int(new_id()[:8], 36) == pytest.approx(2e12 + 5000)


def test_a_spec_reads_back_and_repeats_itself_as_a_command(run: Run) -> None:
    assert open_run(settings.workspace(), run.id).spec == run.spec
    options = {"permutations": 64, "colour_guard": 0.0, "tile_norm": False}
    spec = Spec(
        "jigsaw", "a 'b' c", options=options, steps=200, seed=3, lr=0.001, model="nin", start="x" * 12
    )
    words = shlex.split(spec.command)
    assert words[:5] == ["sslviz", "train", "jigsaw", "--images", "a 'b' c"]
    for pair in (["--steps", "200"], ["--seed", "3"], ["--lr", "0.001"], ["--option", "tile_norm=false"],
                 ["--option", "permutations=64"], ["--from", "x" * 12], ["--model", "nin"]):  # fmt: skip
        assert any(words[at : at + 2] == pair for at in range(len(words))), pair
    assert "--minutes" not in words


def test_a_run_that_comes_from_another_says_what_it_could_take_over_though_it_is_the_default() -> None:
    """`--like` and `--from` take over what is not given."""
    for whence in ({"like": "x" * 12}, {"start": "x" * 12, "steps": 9}):
        spec = Spec("jigsaw", "x", options={"tile_norm": True}, side=75, **whence)  # type: ignore[arg-type]
        words = shlex.split(spec.command)
        for pair in (["--model", "small"], ["--size", "75"], ["--seed", "0"], ["--option", "tile_norm=true"]):
            assert any(words[at : at + 2] == pair for at in range(len(words))), (pair, words)
    assert "--model" not in SPEC.command


def test_a_command_gives_numbers_in_full() -> None:
    words = shlex.split(Spec("rotation", "x", minutes=1.23456789, lr=0.00123456789).command)
    assert (words[6], words[words.index("--lr") + 1]) == ("1.23456789", "0.00123456789")


@pytest.mark.parametrize(
    "change",
    [{"classes": -3}, {"classes": 10**10}, {"side": -4}, {"size": 10**10}, {"seed": 10**25}, {"view": 0},
     {"seed": 2**63}, {"threads": 100_000}, {"steps": 10**25}, {"minutes": 1e308}, {"batch": 10**12},
     {"since": -1}, {"created": 1e300}],
    ids=repr,
)  # fmt: skip
def test_numbers_out_of_range_make_a_run_unreadable(run: Run, change: dict[str, Any]) -> None:
    spec = json.loads((run.folder / "spec.json").read_text())
    (run.folder / "spec.json").write_text(json.dumps(spec | change))
    found = open_run(settings.workspace(), run.id)
    assert found.status().state == "unreadable"
    assert found.damage.startswith(next(iter(change)))


@pytest.mark.parametrize(
    "change", [{"pid": -1}, {"chance": 0}, {"updated": 1e300}, {"classes": 0}, {"step": -1}, {"seconds": -1}]
)
def test_numbers_out_of_range_make_a_status_unreadable(run: Run, change: dict[str, Any]) -> None:
    status = json.loads((run.folder / "status.json").read_text())
    (run.folder / "status.json").write_text(json.dumps(status | change))
    assert run.status().state == "unreadable"


def test_largest_seed_and_threads_are_taken() -> None:
    spec = Spec(task="rotation", images="x", seed=2**63 - 1, threads=256)
    made = create(settings.workspace(), spec)
    assert open_run(settings.workspace(), made.id).spec.seed == 2**63 - 1


def test_a_run_that_cannot_be_written_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one would be the latest run."""
    whole = create(settings.workspace(), SPEC)
    put = files.put

    def full(path: Path, data: bytes) -> None:
        if path.name == "spec.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        put(path, data)

    monkeypatch.setattr(files, "put", full)
    with pytest.raises(UserError, match="The disk is full"):
        create(settings.workspace(), SPEC)
    assert open_run(settings.workspace(), "latest") == whole
    assert [path.name for path in whole.folder.parent.iterdir()] == [whole.id]


@pytest.mark.parametrize("change", [{"minutes": -1.0}, {"minutes": float("nan")}, {"steps": 0}, {"seed": -1}])
def test_a_spec_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(change))):
        create(settings.workspace(), Spec(task="rotation", images="x", **change))
    assert [one for one in listing(settings.workspace()) if not one.bundled] == []


def test_running_without_its_lock_is_lost(run: Run) -> None:
    with FileLock(run.lock):
        run.set_status(state="running", step=7)
        assert run.status().state == "running"
    status = run.status()
    assert status.state == "lost"
    assert "step 7" in status.message
    assert status.hint.startswith("Resume begins again at step 0")
    assert run.read_status().state == "running"  # nothing was written by looking
    run.save_checkpoint(5, {"model.safetensors": b"weights"})
    assert run.status().hint == "Resume goes on from the last checkpoint."


def test_silence_is_what_a_running_run_has_not_said_for_too_long(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLVIZ_SILENCE_SECONDS", "60")
    monkeypatch.setattr(runs.time, "time", lambda: 2e9)
    for ago, expected in ((0, None), (59, None), (61, 61), (3600, 3600), (-3600, None)):
        assert run.silence(Status(state="running", updated=2e9 - ago)) == expected
    for state in ("queued", "done", "lost"):
        assert run.silence(Status(state=state, updated=1e9)) is None


def test_queued_without_ticket_or_worker_is_lost_after_a_while(run: Run) -> None:
    assert run.status().state == "queued"
    run.set_status(updated=run.spec.created - 3600)
    assert run.status().state == "lost"
    queue = settings.load().home / "queue"
    queue.mkdir()
    (queue / f"000000000000-{run.id}").touch()
    assert run.status().state == "queued"


def test_metrics_survive_half_lines_and_nonsense(run: Run) -> None:
    run.append_metric({"step": 1, "loss": 0.5})
    run.append_metric({"step": 2, "loss": float("inf")})
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b"[" * 100_000 + b"\n")
    with (run.folder / "metrics.jsonl").open("ab") as file:
        file.write(b'[]\nnull\n\xff\xfe\n{"step": "x"}\n{"step": 3, "loss": 0.2}\n{"step": 4, "lo')
    assert run.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.2}]
    assert [point["step"] for point in run.metrics(after_step=1)] == [2, 3]
    run.keep_metrics(2)
    assert [json.loads(line)["step"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()] == [
        1,
        2,
    ]


def test_only_sound_checkpoints_count_and_two_are_kept(run: Run) -> None:
    with pytest.raises(UserError, match="no weights"):
        run.weights()
    for step in (5, 10, 20):
        run.save_checkpoint(step, {"model.safetensors": b"weights of %d" % step, "resume.safetensors": b"r"})
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == ["10", "20"]
    assert run.weights().read_bytes() == b"weights of 20"
    (run.folder / "checkpoints" / "30").mkdir()  # killed before the manifest
    assert run.weights().read_bytes() == b"weights of 20"
    damaged = run.folder / "checkpoints" / "20" / "model.safetensors"
    damaged.write_bytes(b"Weights of 20")  # the same length
    assert run.weights().read_bytes() == b"weights of 10"
    (run.folder / "checkpoints" / "10" / "resume.safetensors").unlink()
    with pytest.raises(UserError, match="no weights: its checkpoints are damaged"):
        run.weights()


def test_a_checkpoint_that_was_never_written_to_its_end_is_no_damage(run: Run) -> None:
    (run.folder / "checkpoints" / "5").mkdir(parents=True)
    with pytest.raises(UserError, match="no weights yet"):
        run.weights()
    run.set_status(state="done")
    with pytest.raises(UserError, match="damaged"):
        run.weights()


def test_what_was_never_finished_takes_no_place_of_what_was(run: Run) -> None:
    files = {"model.safetensors": b"w", "resume.safetensors": b"r"}
    run.save_checkpoint(100, files)
    (run.folder / "checkpoints" / "200").mkdir()  # the disk was full; then it went on from 100
    run.save_checkpoint(250, files)
    assert [step for step, _ in run.checkpoints()] == [250, 100]
    assert sorted(path.name for path in (run.folder / "checkpoints").iterdir()) == ["100", "250"]
    run.save_checkpoint(300, files)
    assert [step for step, _ in run.checkpoints()] == [300, 250]


LATER = b'{"schema": 99, "task": "rotation", "images": "x"}'
NONSENSE = [b"", b"{", b"null", b"[]", b'{"task": NaN}', b"\xff\xfe\x00", b'{"task": 3, "images": {}}']
DAMAGE = [*NONSENSE, b"\xef\xbb\xbf{}", LATER, "directory", "missing"]


@pytest.mark.parametrize("damage", DAMAGE, ids=repr)
@pytest.mark.parametrize("name", ["spec.json", "status.json", "metrics.jsonl", "note.json"])
def test_a_damaged_run_is_listed_and_can_be_deleted(run: Run, name: str, damage: bytes | str) -> None:
    other = create(settings.workspace(), SPEC)
    path = run.folder / name
    path.unlink(missing_ok=True)
    if damage == "directory":
        path.mkdir()
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    found = {one.id: one for one in listing(settings.workspace())}[run.id]
    if name == "spec.json":
        assert found.status().state == "unreadable"
        assert found.status().message
        assert ("later version" in found.status().message) == (
            b"99" in damage if isinstance(damage, bytes) else False
        )
    found.title, found.note, found.metrics(), found.status()
    found.delete()
    assert not run.folder.exists()
    assert other.status().state == "queued"


@pytest.mark.parametrize(
    "text", ["../../x", "", ".", "A" * 12, "zzzzzzzzzzzz", "x" * 500, "\0", "rotation\u0661000"]
)
def test_an_unknown_run_is_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match="There is no run"):
        open_run(settings.workspace(), text)
    with pytest.raises(UserError, match="no run yet"):
        open_run(settings.workspace(), "latest")


def test_cancel_of_what_nobody_works_on_is_at_once_and_of_what_somebody_does_is_a_flag(run: Run) -> None:
    other = create(settings.workspace(), SPEC)
    run.cancel()
    assert run.status().state == "cancelled"
    with FileLock(other.lock):
        other.set_status(state="running")
        other.cancel()
        assert other.cancel_flag.exists()
        assert other.status().state == "running"
        with pytest.raises(UserError, match="at work"):
            other.delete()


def test_names_and_notes_can_be_given_while_a_worker_writes(run: Run) -> None:
    assert run.title == "rotation on my photos"
    run.describe(title="first try", note="with **stars**")
    run.set_spec(plan={"steps": 5})
    again = open_run(settings.workspace(), run.id)
    assert (again.title, again.note, again.spec.plan) == ("first try", "with **stars**", {"steps": 5})


def test_bundled_encoders_are_listed_last_and_read_only(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "encoders" / "rotation0000"
    folder.mkdir(parents=True)
    for name in ("spec.json", "status.json"):
        (folder / name).write_bytes((run.folder / name).read_bytes())
    monkeypatch.setattr(runs, "BUNDLED", folder.parent)
    found = listing(settings.workspace())
    assert [one.id for one in found] == [run.id, "rotation0000"]
    bundled = open_run(settings.workspace(), "rotation0000")
    for act in (bundled.delete, bundled.cancel, bundled.describe):
        with pytest.raises(UserError, match="comes with sslviz"):
            act()
    assert folder.exists()
    assert sorted(path.name for path in folder.iterdir()) == [
        "spec.json",
        "status.json",
    ]  # no lock was made by looking


def test_a_title_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run = create(settings.workspace(), replace(SPEC, title="two\nlines\t of "))
    assert run.title == "two lines of"
    run.describe(title="\n")
    assert run.title == "two lines of"
    run.describe(title="and\r\nthree")
    assert run.title == "and three"
    assert cli.run(["runs"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 + len(listing(settings.workspace()))
    assert rows[1].endswith("  and three")
