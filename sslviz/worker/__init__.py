"""The process of one job: `python -m sslviz.worker FOLDER`, of a run or of a short job.

With `--spare` it imports torch and the loop first and then reads the folder of exactly one run from its
standard input; with `--ready` it compiles UMAP first and then takes one short job. The end of that input,
when the supervisor is gone, sends it home.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from sslviz import files, jobs, kept, settings
from sslviz.errors import UserError
from sslviz.runs import Run, Status, read_run
from sslviz.worker import failures, readiness, turns

if TYPE_CHECKING:
    from sslviz.imagesets import ImageSet

Progress = Callable[..., None]
"""Called with things done, things to do, and what is being done."""
PROGRESS_SECONDS = 0.2


class Cancelled(Exception):  # noqa: N818 - no error
    """Somebody asked the job to stop."""


def work_run(
    run: Run, report: Callable[[Status], None] | None = None, claim: Callable[[], bool] = lambda: True
) -> Status:
    """Train a run in this process; see `sslviz.worker.training`, which takes seconds to import."""
    from sslviz.worker import training

    return training.work_run(run, report, claim)


def work_job(job: jobs.Job) -> None:
    """Do a short job in this process and leave its result or a sentence in its folder."""
    lock = FileLock(job.lock, thread_local=False)
    try:
        with files.writing(job.folder):
            lock.acquire(timeout=5)
    except Timeout:
        return  # another process is at it
    except UserError as error:
        job.forget_upload()
        job.set_status(state="failed", error=error.message, hint=error.hint)
        return
    try:
        if job.read_status().state != "queued":
            return
        begun = time.monotonic()
        outcome: dict[str, Any] = {"state": "cancelled", "error": "Cancelled."}
        try:
            job.set_status(state="running", pid=os.getpid(), message="")
            with contextlib.suppress(Cancelled), turns.turn(job, Cancelled):
                begun = time.monotonic()
                outcome = _outcome(job)
        except (OSError, UserError) as error:  # a turn is a file, for which there may be no room
            outcome = failures.told(error, job)
        job.forget_upload()  # also where it found no turn, or was cancelled before
        job.set_status(**outcome, pid=None)
        turns.note(job, outcome["state"], time.monotonic() - begun)
    finally:
        lock.release()


def _outcome(job: jobs.Job) -> dict[str, Any]:
    told, said = 0.0, ""

    def report(done: int, total: int, message: str = "") -> None:
        nonlocal told, said
        now = time.monotonic()
        if now - told < PROGRESS_SECONDS and done != total and message == said:
            return
        told, said = now, message
        if job.cancel_flag.exists():
            raise Cancelled
        job.set_status(done=done, total=total, message=message)

    try:
        kind, arguments = job.request()
        if "workspace" in arguments:
            kept.work_for(Path(arguments["workspace"]))
        if kind not in KINDS:
            raise UserError(f"There is no work of the kind {kind!r}.", "Restart sslviz: it was updated.")
        return {"state": "done", "result": KINDS[kind](arguments, report, job.folder / "result")}
    except Cancelled:
        return {"state": "cancelled", "error": "Cancelled."}
    except Exception as error:
        return failures.told(error, job)


# What each kind of job does: arguments, progress, the folder for files → the result


def _ingest(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set`, and `paths`, or `staging`: a folder of what was uploaded, whose `names.json`, where
    there is one, gives in order the names the browser gave."""
    from sslviz import ingest
    from sslviz.files import read_json

    workspace, name = Path(arguments["workspace"]), str(arguments["set"]).strip()
    staging = Path(arguments["staging"]) if "staging" in arguments else None
    sources: list[ingest.Source] = [Path(path) for path in arguments.get("paths", [])]
    if staging is not None:
        if not staging.is_dir():
            raise UserError("The uploaded files are gone.", "Upload them again.")
        names = read_json(staging / "names.json")["names"] if (staging / "names.json").exists() else None
        files = sorted(p for p in staging.iterdir() if p.name != "names.json" and not p.name.startswith("."))
        sources += list(zip(names, files, strict=False)) if names is not None else files
    images, found = ingest.add_to(workspace, name, sources, report=report, upload=staging is not None)
    return {
        "set": images.name,
        "added": found.added,
        "duplicates": found.duplicates,
        "skipped": [{"name": name, "reason": reason} for name, reason in found.skipped],
        "labels": found.labels,
        "notes": found.notes,
    }


def _scenes(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    from sslviz import scenes, sharing

    workspace = Path(arguments["workspace"])
    if workspace == settings.shared():
        sharing.offer_scenes(report)
        return {"set": scenes.NAME}
    options = {key: arguments[key] for key in ("count", "seed") if key in arguments}
    images = scenes.render_set(workspace, report=report, **options)
    return {"set": images.name, "images": len(images)}


def _download(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    from sslviz import downloads

    images = downloads.download(Path(arguments["workspace"]), arguments["name"], report)
    return {"set": images.name, "images": len(images)}


def _embed(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set`, and `wants`: for each a run, a source and a block, whose layout by `projection` in
    `dims` dimensions is wanted; see `embeddings.compute`."""
    from sslviz import embeddings

    wants = arguments["wants"]
    for place, (run, source, block) in enumerate(wants):

        def part(done: int, total: int, message: str = "", place: int = place) -> None:
            share = round(1000 * done / max(1, total))
            report(1000 * place + share, 1000 * len(wants), message)

        embeddings.compute(
            Path(arguments["workspace"]),
            run,
            arguments["set"],
            report=part,
            source=source,
            block=block,
            **{key: arguments[key] for key in ("crops", "projection", "dims") if key in arguments},
        )
    return {"set": arguments["set"]}


def _film(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`; `crops`, and `block` where not that which the map shows first."""
    from sslviz import film

    film.compute(
        Path(arguments["workspace"]),
        arguments["run"],
        arguments["set"],
        report,
        crops=bool(arguments.get("crops")),
        block=arguments.get("block"),
    )
    return {"run": arguments["run"], "set": arguments["set"]}


def _posters(arguments: dict[str, Any], report: Progress, folder: Path) -> dict[str, Any]:
    """`workspace`, `set` → `result/<task>.webp` in the job's folder: the tasks on images of that set."""
    from sslviz import imagesets, posters

    images = imagesets.open_set(Path(arguments["workspace"]), arguments["set"])
    if not len(images):
        raise UserError(f"The set {images.name!r} is empty.", "Add images to it.")
    report(0, 1)
    return {"tasks": posters.write(images, folder, int(arguments.get("seed", 0)))}


def _inside(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`; `image`, an id, says of which image a look is wanted beside the sample."""
    from sslviz import inside

    inside.compute(
        Path(arguments["workspace"]),
        arguments["run"],
        arguments["set"],
        image=arguments.get("image"),
        everything="image" not in arguments,
        report=report,
    )
    return {"run": arguments["run"], "set": arguments["set"]}


def _invariance(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set` and `runs`, ids: how far their features stay the same when an image is changed."""
    from sslviz import invariance

    invariance.compute(Path(arguments["workspace"]), arguments["runs"], arguments["set"], report)
    return {"set": arguments["set"]}


def _compare(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set` and `runs`, ids: what these runs are worth on that set, side by side."""
    from sslviz.lineup import computing
    from sslviz.worker.waiting import resolve_device

    workspace, device = Path(arguments["workspace"]), resolve_device("auto")
    computing.compute(workspace, arguments["runs"], arguments["set"], device=device, report=report)
    return {"set": arguments["set"]}


def _probe(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`, `memory`: what is known; `parts`: see `probes.measure`."""
    from sslviz import imagesets, probes, runs
    from sslviz.worker.waiting import resolve_device

    workspace = Path(arguments["workspace"])
    images = imagesets.open_set(workspace, arguments["set"])
    division = probes.divide(images, imagesets.open_set(workspace, arguments["memory"]))
    run = runs.open_run(workspace, arguments["run"])
    probes.measure(run, division, arguments["parts"], device=resolve_device("auto"), report=report)
    return {"run": run.id, "set": images.name}


def _scatter(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set` and `runs`, ids: what the states of these runs are worth on that set."""
    from sslviz import pretext

    pretext.compute(Path(arguments["workspace"]), arguments["runs"], arguments["set"], report)
    return {"set": arguments["set"]}


def _segment(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`: see `dense.segment`."""
    from sslviz import dense

    dense.segment(*_run_and_set(arguments), report=report)
    return {"run": arguments["run"], "set": arguments["set"]}


def _locate(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`: see `dense.locate`."""
    from sslviz import dense

    dense.locate(*_run_and_set(arguments), report=report)
    return {"run": arguments["run"], "set": arguments["set"]}


def _exam(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `run`, `set`: what the run says to the questions of its task about that set."""
    from sslviz import exam

    exam.compute(Path(arguments["workspace"]), arguments["run"], arguments["set"], report=report)
    return {"run": arguments["run"], "set": arguments["set"]}


def _run_and_set(arguments: dict[str, Any]) -> tuple[Run, ImageSet]:
    from sslviz import imagesets, runs

    workspace = Path(arguments["workspace"])
    return runs.open_run(workspace, arguments["run"]), imagesets.open_set(workspace, arguments["set"])


def _reproduce(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `paper`, `scale`, `seed`, `images`; see `sslviz.worker.reproducing`."""
    from sslviz.worker import reproducing

    return reproducing.reproduce(arguments, report, Cancelled)


def _shortcut(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set`, `guard`, `measure`, `strength`, `steps`, `seed`: a pair of runs, see
    `shortcuts.pairs`."""
    from sslviz.worker import shortcutting

    return shortcutting.pair(arguments, report, Cancelled)


def _cue(arguments: dict[str, Any], report: Progress, _: Path) -> dict[str, Any]:
    """`workspace`, `set`, `guard`, `strength`: what the cue alone tells, see `shortcuts.alone`."""
    from sslviz.worker import shortcutting

    return shortcutting.cue(arguments, report)


KINDS: dict[str, Callable[[dict[str, Any], Progress, Path], dict[str, Any]]] = {
    "ingest": _ingest,
    "scenes": _scenes,
    "download": _download,
    "embed": _embed,
    "film": _film,
    "posters": _posters,
    "preview": _posters,
    "inside": _inside,
    "invariance": _invariance,
    "segment": _segment,
    "locate": _locate,
    "exam": _exam,
    "compare": _compare,
    "probe": _probe,
    "scatter": _scatter,
    "reproduce": _reproduce,
    "shortcut": _shortcut,
    "cue": _cue,
}


def spare() -> None:
    """Be ready, then train the one run whose folder, and ticket, are all that comes from standard input."""
    from sslviz.worker import training
    from sslviz.worker.waiting import usable_devices

    training.warm_up()
    jobs.note_devices(usable_devices())
    folder, *ticket = readiness.told(jobs.warm_lock())
    if folder.name:
        _train(folder, *ticket)


def ready() -> None:
    """Be ready for a map, then do the one short job whose folder comes from standard input."""
    import threading

    # On Linux a thread has a niceness of its own, and one that was raised cannot be lowered again: the
    # compilation is to stand back from everything, the job itself is not.
    thread = threading.Thread(target=readiness.compile_umap, name="compile")
    thread.start()
    thread.join()
    (folder,) = readiness.told(jobs.ready_lock())
    if folder.name:
        job = jobs.Job(folder)
        _log_to(folder / "log.txt")
        work_job(job)


def _train(folder: Path, ticket: Path | None = None) -> None:
    """Train a run; one that was claimed by a ticket only if nobody else takes that first."""
    run = read_run(folder)
    _log_to(run.log)  # torch and its libraries write to the descriptors, not to sys.stdout
    try:
        if ticket is None:
            work_run(run)
        else:
            work_run(run, claim=lambda: jobs.begin_turn(ticket))
    except UserError as error:  # which could not be left in the run: somebody else's, or no room for a word
        sys.exit(str(error))


def _log_to(path: Path) -> None:
    with path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def main(arguments: list[str]) -> None:
    jobs.lower_priority()
    if arguments == ["--spare"]:
        spare()
    elif arguments == ["--ready"]:
        ready()
    elif (Path(arguments[0]) / "job.json").exists():
        work_job(jobs.Job(Path(arguments[0])))
    else:
        _train(Path(arguments[0]))
