"""The command line: the JSON that scripts rely on, sentences for mistakes, nothing heavy before its time."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from small_runs import FEW, curve, end_all, make_run, make_set, pictures, python, wait_for

from sslviz import cli, images, runs, settings
from sslviz.cli import machine
from sslviz.cli.train import standing
from sslviz.errors import UserError
from sslviz.worker import work_run

SHORT = ["--size", "16", "--steps", "4", "--batch", "4", "--device", "cpu"]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("sslviz.train.draws.HELDOUT", 16)
    monkeypatch.setattr("sslviz.train.planning.GLANCE", 16)
    monkeypatch.setattr("sslviz.classifiers.plans.FEWEST", 2)
    monkeypatch.setattr("sslviz.classifiers.plans.EPOCHS", 1)
    yield
    end_all()


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    """The last line of a command's output, with --json."""
    assert cli.run([*words, "--json"]) == code

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    value = json.loads(capsys.readouterr().out.splitlines()[-1], parse_constant=refuse)
    assert isinstance(value, dict)
    return value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, pixels in enumerate(pictures(8, 48)):
        path = tmp_path / "photos" / ("cat" if number % 2 else "dog") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(images.encode_jpeg(pixels))
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    return tmp_path / "photos"


def test_what_a_run_does_not_know_yet_is_not_said() -> None:
    early = runs.Status(state="running", step=1, steps=1)
    assert standing(early) == "step 1 of 1"
    later = replace(early, loss=0.5, heldout_accuracy=0.25, views_per_second=1234.0)
    assert standing(later) == "step 1 of 1 · loss 0.500 · held out 25.0% · 1,234 views/s"


def test_add_train_evaluate_embed_and_neighbours(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = said(capsys, "images", "add", "photos", str(folder))
    assert set(added) == {"set", "added", "duplicates", "skipped", "labels", "notes"}
    assert (added["added"], added["labels"]) == (8, {"cat": 4, "dog": 4})
    assert [set(one) for one in added["skipped"]] == [{"name", "reason"}]

    trained = said(capsys, "train", "rotation", "--images", "photos", *SHORT, "--option", "mirror=off")
    keys = "run folder task classes chance steps seconds views_per_second train_accuracy heldout_accuracy"
    assert set(trained) == set(keys.split())
    assert (trained["steps"], trained["classes"], trained["task"]) == (4, 4, "rotation")
    first = runs.open_run(settings.workspace(), trained["run"])
    assert first.spec.options == {"mirror": False}
    replay = said(capsys, "train", "rotation", "--images", "photos", "--like", "latest", "--device", "cpu")
    second = runs.open_run(settings.workspace(), replay["run"])
    assert curve(first) == curve(second)
    assert (second.spec.like, second.spec.options) == (first.id, {"mirror": False})
    more = said(capsys, "train", "rotation", "--images", str(folder), *SHORT, "--from", first.id)
    assert runs.open_run(settings.workspace(), more["run"]).spec.start == first.id

    found = said(capsys, "evaluate", "latest", "--images", "photos")
    told = {"labels", "memory", "queries", "chance", "intervals", "leads"}
    heads = {"linear_map", "three_layers", "conv_block"}
    assert set(found) == told | {"knn", "linear", "few", "whole"} | heads
    assert set(found["whole"]) == {"fine_tuned", "supervised", "best"}
    for probe in ("knn", "linear", *heads):
        assert set(found[probe]["best"]) == {"run", "untrained"}
    assert set(said(capsys, "evaluate", "latest", "--images", "photos", "--only", "knn")) == told | {"knn"}
    assert cli.run(["evaluate", "latest", "--images", "photos"]) == 0
    shown = capsys.readouterr().out
    assert all(words in shown for words in ("convolutional block", "from scratch", "labels a class"))
    asked = found["queries"]
    assert f"{asked} images asked about" in shown
    assert f"each is {100 / asked:.1f}% of a figure" in shown
    assert found["memory"] + found["queries"] == 8
    out = tmp_path / "f.npz"
    said(capsys, "embed", first.id, "--images", "photos", "--out", str(out))
    with np.load(out, allow_pickle=False) as file:
        assert set(file) == {"ids", "names", "labels", "features", "xy"}
        assert (file["xy"].shape, len(file["features"])) == ((8, 2), 8)
        third = str(file["ids"][list(file["names"]).index("cat/3.jpg")])
    for image in (third, "3.jpg", str(folder / "cat" / "3.jpg")):
        near = said(capsys, "neighbors", first.id, image, "--images", "photos", "-k", "4")["neighbors"]
        assert [set(one) for one in near] == [{"id", "name", "similarity"}] * 4
        assert [one["similarity"] for one in near] == sorted(
            (one["similarity"] for one in near), reverse=True
        )
    assert near[0]["id"] == third  # the file is the image


def test_runs_are_listed_shown_exported_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(make_set(), steps=2)
    assert said(capsys, "runs", "show", run.id)["state"] == "queued"
    run.cancel()
    assert said(capsys, "runs", "resume", run.id)["steps"] == 2
    assert said(capsys, "runs", "show")["state"] == said(capsys, "runs", "latest")["state"] == "done"
    assert said(capsys, "runs", "cancel", run.id)["state"] == "done"
    out = tmp_path / "run.zip"
    said(capsys, "runs", "export", run.id, "--out", str(out))
    assert out.read_bytes()[:2] == b"PK"
    assert said(capsys, "runs")["runs"][0]["run"] == run.id
    assert said(capsys, "runs", "delete", run.id)["run"] == run.id
    assert run.id not in [one["run"] for one in said(capsys, "runs")["runs"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("train rotation --images nothing", "neither an image set nor"),
        ("train tea --images pics", "no task 'tea'"),
        ("train rotation --images pics --steps 3 --minutes 1", "exclude each other"),
        ("train rotation --images pics --steps 0", "steps is 0"),
        ("train rotation --images pics --steps three", "--steps"),
        ("train rotation --images pics --minutes nan", "minutes"),
        ("train rotation --images pics --device abacus", "no device"),
        ("train rotation --images pics --model brain", "no network"),
        ("train rotation --images pics --precision fp2", "no precision"),
        ("train rotation --images pics --option gap=0", "no option 'gap'"),
        ("train rotation --images pics --option mirror", "name=value"),
        ("train rotation --images pics --like nobody000000", "no run 'nobody000000'"),
        ("train rotation --images pics --like latest", "no run yet"),
        ("train rotation", "--images"),
        ("train", "task"),
        ("evaluate nobody000000 --images pics", "no run"),
        ("embed nobody000000 --images pics --out x.npz", "no run"),
        ("runs show nobody000000", "no run"),
        ("runs boil", "cannot be asked"),
        ("images add x /no/such/path", "no file or folder"),
        ("images delete nothing", "no image set"),
        ("images download moon", "moon"),
        ("bake", "No such command"),
        ("--bake", "--bake"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--images pics" in words:
        make_set(count=4)
    assert cli.run(words.split()) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert [one for one in runs.listing(settings.workspace()) if not one.bundled] == []


@pytest.mark.parametrize("words", ["train rotation --images pics --device cuda"])
def test_a_gpu_that_is_not_there(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    make_set(count=4)
    assert cli.run(words.split()) == 2
    assert "no GPU" in capsys.readouterr().err


def test_only_nonsense_makes_no_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jpg").write_bytes(b"nothing")
    assert cli.run(["images", "add", "new", str(tmp_path / "x.jpg")]) == 2
    assert "None of this" in capsys.readouterr().err
    assert said(capsys, "images", "list")["sets"] == []


@pytest.mark.slow
def test_ctrl_c_cancels_and_resume_goes_on_as_if_it_had_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = make_set()
    command = ["train", "rotation", "--images", "pics", "--size", "16", "--steps", "150", "--batch", "4",
               "--device", "cpu", "--precision", "fp32", "--threads", "1"]  # fmt: skip
    process = python(FEW + "import sys; from sslviz.cli import run; sys.exit(run(sys.argv[1:]))", *command)
    wait_for(
        lambda: any(one.status().step >= 1 for one in runs.listing(settings.workspace()) if not one.bundled)
    )
    process.send_signal(signal.SIGINT)
    code = process.wait(60)
    run = runs.open_run(settings.workspace(), "latest")
    if run.status().state != "done":  # a fast machine is done before the signal
        assert (code, run.status().state) == (130, "cancelled")
    capsys.readouterr()
    assert said(capsys, "runs", "resume")["steps"] == 150
    whole = make_run(chosen, steps=150)
    work_run(whole)
    assert curve(run) == curve(whole)


def test_a_run_that_cannot_be_resumed_or_read_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    shared = make_run(make_set())
    shutil.copytree(shared.folder, settings.shared() / "runs" / shared.id)
    shutil.rmtree(shared.folder)
    assert cli.run(["runs", "resume", shared.id]) == 2
    assert capsys.readouterr().err == f"Run {shared.id} is shared with everybody and cannot be resumed.\n"
    bundled = runs.listing(settings.workspace())[-1]
    assert cli.run(["runs", "resume", bundled.id]) == 2
    assert capsys.readouterr().err == f"Run {bundled.id} comes with sslviz and cannot be resumed.\n"
    broken = make_run(make_set("others"))
    (broken.folder / "spec.json").write_text("{")
    for word in ("resume", "export"):
        assert cli.run(["runs", word, broken.id]) == 2
        assert "What was asked of this run cannot be read." in capsys.readouterr().err


@pytest.mark.parametrize(("words", "where"), [(["runs"], "runs.listing"), (["images"], "imagesets.names")])
def test_ctrl_c_is_said_once(
    words: list[str], where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"sslviz.{where}", interrupt)
    assert cli.run(words) == 130
    assert capsys.readouterr() == ("", "Interrupted.\n")
    # A command that has said it itself returns the same code.
    make_run(make_set())
    monkeypatch.setattr("sslviz.cli.runs.resume", lambda *_: 130)
    assert cli.run(["runs", "resume"]) == 130
    assert capsys.readouterr() == ("", "")


def test_nothing_heavy_is_imported_before_its_time() -> None:
    heavy = ("torch", "streamlit", "numpy", "umap")
    code = f"import sys, sslviz.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    done = subprocess.run(
        [sys.executable, "-m", "sslviz", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("sslviz 0")


def test_doctor_reports_versions_devices_disk_and_locks(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "doctor")
    assert {"versions", "devices", "disk", "locks"} <= set(found)
    assert found["devices"][0]["name"] == "cpu"
    assert found["disk"]["free_bytes"] > 0


def test_a_taken_port_is_passed_over(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert machine.free_port("127.0.0.1", port) != port
        assert "taken" in capsys.readouterr().err
        monkeypatch.setattr(machine, "PORTS_TRIED", 1)
        with pytest.raises(UserError, match="all taken"):
            machine.free_port("127.0.0.1", port)


def test_the_app_is_served_on_this_machine_only_with_the_options_of_its_config(tmp_path: Path) -> None:
    options = machine.streamlit_options(machine.app_script(), "127.0.0.1", 8501)
    assert options["server.address"] == "127.0.0.1"
    assert options["browser.gatherUsageStats"] is False
    assert options["server.maxUploadSize"] == 500
    assert any(name.startswith("theme.") for name in options)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "SSLVIZ_LINGER_SECONDS": "0.5",
        "PYTHONPATH": str(Path(cli.__file__).parents[2]),
    }
    command = [sys.executable, "-m", "sslviz", "app", "--port", str(port), "--no-browser"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as answer:
                    assert answer.status == 200
                break
            except OSError:
                assert time.monotonic() < until, (tmp_path / "log").read_text()
                time.sleep(0.1)
        assert f"http://127.0.0.1:{port}" in (tmp_path / "log").read_text()
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_of_several_paths_a_bad_one_is_skipped(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "nothing")
    paths = [str(folder / "cat" / "1.jpg"), str(tmp_path / "dead.jpg"), "x" * 300]
    added = said(capsys, "images", "add", "some", *paths)
    assert added["added"] == 1
    assert [one["reason"] for one in added["skipped"]] == ["is a link to nothing", "does not exist"]
    assert cli.run(["images", "add", "none", *paths[1:]]) == 2
    assert "no file or folder" in capsys.readouterr().err
    assert [one["name"] for one in said(capsys, "images", "list")["sets"]] == ["some"]


def test_a_path_that_may_not_be_read_costs_the_others_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for root, who may read everything: what the system would say is said for it."""
    locked = tmp_path / "locked.jpg"
    locked.write_bytes((folder / "cat" / "1.jpg").read_bytes())
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path == locked:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "access", lambda path, *_, **__: str(path) != str(locked))
    added = said(capsys, "images", "add", "some", str(locked), str(folder / "cat" / "1.jpg"))
    assert added["added"] == 1
    assert added["skipped"] == [{"name": "locked.jpg", "reason": "may not be read by you"}]


def test_an_empty_path_is_not_this_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for words in (("add", "some", ""), ("add", "some", "cat", ""), ("label", "some", "")):
        assert cli.run(["images", *words]) == 2
        assert capsys.readouterr().err == "A path is empty; write . for this folder.\n"
    for words in (("train", "rotation"), ("reproduce", "rotnet-cifar10")):
        assert cli.run([*words, "--images", ""]) == 2
        assert "'' is neither an image set nor a folder" in capsys.readouterr().err
    assert said(capsys, "images", "list")["sets"] == []
    assert said(capsys, "images", "add", "some", ".")["added"] > 0


def test_adding_is_a_success_where_the_set_has_an_image_at_the_end(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, broken = str(folder / "cat" / "1.jpg"), str(folder / "broken.jpg")
    empty = tmp_path / "empty.zip"
    empty.write_bytes(b"PK\5\6" + bytes(18))
    make_set("sp", count=0)
    assert said(capsys, "images", "add", " sp ", broken, code=2)["set"] == "sp"
    assert cli.run(["images", "add", "sp", str(empty)]) == 2
    assert "empty.zip: is a zip without a picture in it" in capsys.readouterr().out
    for _ in range(2):  # new, and then there already
        assert said(capsys, "images", "add", " sp ", good)["set"] == "sp"
        assert said(capsys, "images", "add", " new ", good)["set"] == "new"
    assert said(capsys, "images", "add", "sp", broken)["added"] == 0
    assert said(capsys, "images", "rename", "new", " newer ")["set"] == "newer"
    assert said(capsys, "images", "merge", " both ", "sp", "newer")["set"] == "both"


def test_text_is_printed_where_not_every_character_can_be() -> None:
    make_set("Ünï ☃ \N{HIRAGANA LETTER A}", count=2)
    for encoding in ("latin-1", "cp1252", "ascii"):
        for words, code in ((["images"], 0), (["images", "delete", "☃"], 2)):
            done = subprocess.run(
                [sys.executable, "-m", "sslviz", *words],
                capture_output=True,
                check=False,
                env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
            )
            assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
            assert b"?" in (done.stderr if code else done.stdout)


def test_a_name_too_long_for_a_file_is_a_sentence_and_a_file_is_replaced_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_set(count=6), steps=2)
    work_run(run)
    assert cli.run(["neighbors", run.id, "x" * 300, "--images", "pics"]) == 2
    assert "neither an image of 'pics' nor a file" in capsys.readouterr().err

    real, out = tmp_path / "real.npz", tmp_path / "f.npz"
    real.write_bytes(b"what was there before")
    out.symlink_to(real)
    embed = ["embed", run.id, "--images", "pics", "--out", str(out)]

    def full(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        assert cli.run(embed) == 2
    assert "cannot be written: No space left" in capsys.readouterr().err
    assert real.read_bytes() == b"what was there before"
    said(capsys, *embed)
    assert out.is_symlink()
    with np.load(real, allow_pickle=False) as file:
        assert len(file["ids"]) == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.npz", "real.npz"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        said(capsys, *embed[:-1], str(tmp_path / "pipe"))
        assert os.read(reader, 2) == b"PK"
        os.close(reader)


@pytest.mark.parametrize("words", [["--seed", "9" * 23], ["--threads", "100000"], ["--size", str(10**10)]])
def test_a_number_too_large_is_a_sentence_before_anything_begins(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make_set(count=4)
    assert cli.run(["train", "rotation", "--images", "pics", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"{words[0].removeprefix('--')} is {words[1]}: ")
    assert len(err.splitlines()) == 1
    assert all(one.bundled for one in runs.listing(settings.workspace()))


def test_the_command_of_a_run_that_comes_from_another_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    """What was set back to its default is not taken over from the first run again."""
    make_set()
    base = ["train", "rotation", "--images", "pics", "--device", "cpu"]
    ordinary = ["--model", "small", "--seed", "0", "--option", "mirror=on"]
    other = ["--model", "small", "--size", "16", "--seed", "7", "--option", "mirror=off"]
    first = said(capsys, *base, *SHORT, *other)["run"]
    for whence in (["--like", first], ["--from", first, "--steps", "2", "--batch", "4"]):
        changed = runs.open_run(settings.workspace(), said(capsys, *base, *whence, *ordinary)["run"])
        again = said(capsys, *shlex.split(changed.spec.command)[1:])["run"]
        repeated = runs.open_run(settings.workspace(), again)
        for name in ("model", "size", "seed", "options", "side", "classes", "plan", "start"):
            assert getattr(repeated.spec, name) == getattr(changed.spec, name), name
        assert (changed.spec.seed, changed.spec.options) == (0, {"mirror": True})
        assert curve(repeated) == curve(changed)


def test_delete_wants_to_know_which_run(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(make_set())
    assert cli.run(["runs", "delete"]) == 2
    assert "Which run" in capsys.readouterr().err
    assert run.folder.exists()
    assert said(capsys, "runs", "delete", "latest")["run"] == run.id
    assert not run.folder.exists()


def test_export_replaces_a_file_at_once_or_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_set())
    out = tmp_path / "run.zip"
    out.write_bytes(b"an earlier export")
    out.chmod(0o444)

    def export(*words: str) -> str:
        assert cli.run(["runs", "export", run.id, *words]) == 2
        return capsys.readouterr().err

    assert "no weights" in export("--out", str(out))
    monkeypatch.setattr("sslviz.export.pack", lambda run: b"PK and so on")
    assert "no file" in export("--out", str(tmp_path))
    assert "no folder" in export("--out", str(tmp_path / "gone" / "run.zip"))
    with monkeypatch.context() as patch:

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr("sslviz.files.os.fsync", full)
        said_ = export("--out", str(out))
    assert "cannot be written: No space left on device" in said_
    assert "SSLVIZ_HOME" not in said_
    assert out.read_bytes() == b"an earlier export"
    said(capsys, "runs", "export", run.id, "--out", str(out))
    assert out.read_bytes()[:2] == b"PK"
    assert [path.name for path in tmp_path.iterdir()] == ["run.zip"]


def test_images_too_small_are_complained_about_once(capsys: pytest.CaptureFixture[str]) -> None:
    make_set(side=32)
    assert cli.run(["train", "jigsaw", "--images", "pics", "--steps", "1", "--device", "cpu"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "too small" in line]) == 1, lines


def test_a_run_that_does_not_respond_is_told_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(make_set())
    with FileLock(run.lock):
        run.set_status(state="running", updated=time.time() - 1000)
        monkeypatch.setenv("SSLVIZ_SILENCE_SECONDS", "500")
        for words in (["runs"], ["runs", "show", run.id]):
            assert cli.run(words) == 0
            assert "running, not responding for 1,00" in capsys.readouterr().out
        assert said(capsys, "runs", "show", run.id)["silence"] >= 1000
        monkeypatch.setenv("SSLVIZ_SILENCE_SECONDS", "5000")
        assert cli.run(["runs"]) == 0
        assert "responding" not in capsys.readouterr().out
        assert said(capsys, "runs", "show", run.id)["silence"] is None


def test_a_done_run_is_resumed_only_where_its_checkpoints_are_damaged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = make_run(make_set(), steps=2)
    work_run(run)
    assert cli.run(["runs", "resume", run.id]) == 0
    assert "done already" in capsys.readouterr().out
    for path in (run.folder / "checkpoints").rglob("model.safetensors"):
        path.write_bytes(b"x")
    assert cli.run(["runs", "resume", run.id]) == 0
    assert "done already" not in capsys.readouterr().out
    assert run.weights()


def test_doctor_says_when_the_home_is_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    for home, sentence in ((file, "is a file"), (file / "x", "cannot be made"), (tmp_path / "new", "")):
        monkeypatch.setenv("SSLVIZ_HOME", str(home))
        about = [one for one in said(capsys, "doctor")["warnings"] if one.startswith(str(home))]
        assert len(about) == (1 if sentence else 0)
        assert all(sentence in one for one in about)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_labels_that_are_not_taken_are_counted_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And where none is taken that is a mistake, and the labels stay as they were."""
    images_ = make_set("some", 6)
    before = images_.label_counts()
    path = tmp_path / "names.csv"
    path.write_text("file,label,certainty\na/0.png,x,0.97\nb/1.png,y,0.9\n")
    assert cli.run(["images", "label", "some", str(path)]) == 2
    said_ = capsys.readouterr().err
    assert "No image of 'some' was labelled. 2 rows: less certain than 1, which --least lowers." in said_
    assert images_.label_counts() == before
    found = said(capsys, "images", "label", "some", str(path), "--least", "0.95")
    assert (found["labelled"], found["uncertain"], found["unknown"]) == (1, 1, 0)
    assert cli.run(["images", "label", "some", str(path), "--least", "nan"]) == 2


def test_a_size_that_is_too_small_is_said_before_anything_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["train", "rotation", "--images", "nowhere", "--size", "5"]) == 2
    assert "A size of 5 pixels is too small for rotation. Give 16 or more" in capsys.readouterr().err
    status = work_run(make_run(make_set(), size=5))
    assert "A size of 5 pixels" in status.message


def test_one_image_is_trained_on_and_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    one = make_set("one", 1)
    assert cli.run(["train", "rotation", "--images", "one", *SHORT]) == 0
    assert "what is called held out tells nothing" in capsys.readouterr().out
    for command in (["reproduce", "location-gap"], ["shortcut", "rotation-flip"]):
        assert cli.run([*command, "--images", one.name]) == 2
        assert "It takes 10 images at least" in capsys.readouterr().err


@pytest.mark.parametrize("out", ["/proc/x.zip", f"{'y' * 300}.zip"])
def test_an_export_that_cannot_be_written_is_a_sentence(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["runs", "export", "rotation0000", "--out", out]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert cli.run(["runs", "show", "rotation0000", "--out", "x.zip"]) == 2


def test_an_image_of_a_name_that_two_have_is_asked_for_by_its_id(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sslviz.imagesets import NewImage

    images_ = make_set("two", 4, side=64)
    images_.add(NewImage("a/0.png", pixels=pixels, label=None) for pixels in pictures(1, 64, seed=7))
    asked = ["neighbors", "rotation0000", "--images", "two"]
    assert cli.run([*asked, "a/0.png"]) == 2
    told = capsys.readouterr().err
    assert "2 images of 'two' are called 'a/0.png'" in told
    assert images_.ids[0] in told
    make_set("alone", 1, side=64)
    assert cli.run(["neighbors", "rotation0000", "--images", "alone", "a/0.png"]) == 0
    assert "There is no other image in 'alone'" in capsys.readouterr().out


def test_a_run_is_shown_to_people_as_people_write(capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(make_set())
    work_run(run)
    assert cli.run(["runs", "show", run.id]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["chance"] == "25.0%"
    assert lines["memory_bytes"].endswith(" MB")
    assert len(lines["started"]) == len("2026-11-27 12:00:00")
    assert said(capsys, "runs", "show", run.id)["chance"] == 0.25
