"""Visitors' workspaces: names that nobody guesses, days that are kept to, and an end that is one."""

from __future__ import annotations

import os
import secrets
import string
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from small_runs import end_all, pictures, python, wait_for

from sslviz import imagesets, jobs, kept, runs, settings, workspaces
from sslviz.errors import UserError
from sslviz.files import write_json
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run, Spec

DAY = 24 * 3600.0
DIGITS = f"{string.digits}-_"
NOW = 2_000_000_000.0
BUSY = """
import sys, time
from filelock import FileLock
from sslviz import jobs
job = jobs.find(sys.argv[1])
with FileLock(job.lock):
    import os
    job.set_status(state="running", pid=os.getpid())
    time.sleep(1000)  # and heeds nothing
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def a_workspace() -> Path:
    name = workspaces.of_token(workspaces.new_token())
    assert name is not None
    return settings.workspace(name)


def a_set(workspace: Path, name: str, seed: int = 0) -> ImageSet:
    made = imagesets.create(workspace, name)
    made.add(NewImage(f"{name}-{n}.png", pixels=one) for n, one in enumerate(pictures(3, 32, seed)))
    return made


def a_run(workspace: Path, state: str = "done") -> Run:
    run = runs.create(workspace, Spec("rotation", "x"))
    run.set_status(state=state)
    return run


def everything() -> set[Path]:
    return {path for path in settings.load().home.rglob("*") if path.is_file()}


# Names


@given(st.text() | st.from_regex(r"[A-Za-z0-9_/.\-]{40,50}", fullmatch=True) | st.none())
def test_what_is_no_token_opens_nothing_and_no_text_becomes_a_path(text: str | None) -> None:
    name = workspaces.of_token(text)
    ours = (
        text is not None and len(text) == 43 and set(text) <= {*string.ascii_letters, *string.digits, *"-_"}
    )
    assert (name is not None) == ours
    if name is not None:
        assert workspaces.NAME.fullmatch(name)
        assert name not in str(text)


FORGED = ["", "local", "../local", "a" * 42, "a" * 44, *("a" * 42 + end for end in "\n/\0é."), "0" * 32]


@pytest.mark.parametrize("text", [*FORGED, "a" * 43 + "\n"])
def test_a_forged_cookie_is_nobodys(text: str) -> None:
    assert workspaces.of_token(text) is None


def test_tokens_are_of_256_bits_and_each_opens_another_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    known = secrets.token_urlsafe
    monkeypatch.setattr(secrets, "token_urlsafe", lambda count: asked.append(count) or known(count))
    tokens = {workspaces.new_token() for _ in range(200)}
    assert set(asked) == {32}
    assert all(workspaces.TOKEN.fullmatch(token) for token in tokens)
    assert len({workspaces.of_token(token) for token in tokens}) == 200


@given(st.lists(st.tuples(st.text(), st.text()), min_size=2, max_size=8, unique=True))
def test_no_two_people_share_a_workspace(people: list[tuple[str, str]]) -> None:
    """Also where one's name is the end of the other's: ("a", "bc") and ("ab", "c")."""
    names = [workspaces.of_person(*person) for person in people]
    assert len(set(names)) == len(people)
    assert all(workspaces.NAME.fullmatch(name) for name in names)


def test_a_token_that_spells_a_person_is_not_that_person() -> None:
    token = "s" * 43
    assert workspaces.of_token(token) != workspaces.of_person("", token)


# Days


def test_only_workspaces_that_nobody_has_come_to_expire() -> None:
    old, young, empty = a_workspace(), a_workspace(), a_workspace()
    local, other = settings.workspace(), settings.workspace("somebody")
    for workspace in (old, young, local, other):
        a_set(workspace, "mine")
    workspaces.visit(old, NOW)
    workspaces.visit(young, NOW + 3 * DAY)
    workspaces.visit(empty, NOW)
    assert not empty.exists()
    assert workspaces.expired(NOW + 7 * DAY) == []
    assert workspaces.expire(NOW + 7 * DAY + 1) == [old.name]
    assert not old.exists()
    assert workspaces.expire(NOW + 100 * DAY) == [young.name]
    for kept_for_ever in (local, other):
        assert len(imagesets.open_set(kept_for_ever, "mine")) == 3


def test_a_visit_puts_it_off_and_is_written_down_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = a_workspace()
    a_set(mine, "mine")
    written: list[float] = []
    known = workspaces.write_json

    def write(path: Path, value: dict[str, float]) -> None:
        written.append(value["last"])
        known(path, value)

    monkeypatch.setattr(workspaces, "write_json", write)
    for minute in range(0, 150, 5):
        workspaces.visit(mine, NOW + 60 * minute)
    assert written == [NOW, NOW + 65 * 60, NOW + 130 * 60]
    assert workspaces.expired(written[-1] + 7 * DAY - 1) == []
    assert workspaces.expired(written[-1] + 7 * DAY + 1) == [mine]


def test_who_tidies_up_keeps_to_what_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor may have been started with other settings than the server."""
    for days, lasts in (("30", 30.0), ("0.5", 0.5)):
        mine = a_workspace()
        a_set(mine, "mine")
        monkeypatch.setenv("SSLVIZ_RETENTION_DAYS", days)
        workspaces.visit(mine, NOW)
        monkeypatch.delenv("SSLVIZ_RETENTION_DAYS")
        assert mine not in workspaces.expired(NOW + lasts * DAY - 1)
        assert mine in workspaces.expired(NOW + lasts * DAY + 1)
    monkeypatch.setenv("SSLVIZ_RETENTION_DAYS", "0")
    for workspace in workspaces.visitors():
        workspaces.visit(workspace, NOW)
    assert workspaces.expired(NOW + 10_000 * DAY) == []


def test_a_workspace_that_was_never_visited_goes_by_its_files() -> None:
    mine = a_workspace()
    a_set(mine, "mine")
    assert workspaces.expired() == []
    assert workspaces.expired(time.time() + 8 * DAY) == [mine]
    (mine / workspaces.VISIT).write_text('{"last": "yesterday"')
    assert workspaces.expired(time.time() + 8 * DAY) == [mine]


def test_nothing_expires_while_something_is_at_work_there() -> None:
    mine = a_workspace()
    run = a_run(mine, "running")
    workspaces.visit(mine, NOW)
    with FileLock(run.lock):
        assert workspaces.expire(NOW + 8 * DAY) == []
    assert workspaces.expire(NOW + 8 * DAY) == [mine.name]


def test_the_first_upload_of_a_visitor_may_begin_before_there_is_a_workspace() -> None:
    """Between its start and its lock lie seconds on a busy server; what never began goes later."""
    workspace = settings.load().home / "workspaces" / workspaces.of_token("n" * 43)
    job = jobs.Job(settings.load().home / "jobs" / "abcdefgh0123")
    write_json(job.folder / "job.json", {"kind": "ingest", "arguments": {"workspace": str(workspace)}})
    write_json(job.folder / "status.json", {"state": "queued", "updated": time.time()})
    workspaces.expire()
    assert job.read_status().state == "queued"
    write_json(job.folder / "status.json", {"state": "queued", "updated": time.time() - 3600})
    workspaces.expire()
    assert not job.folder.exists()


def test_uploads_that_nobody_came_to_read_go_after_a_day() -> None:
    staging = settings.load().home / "staging" / "abc"
    staging.mkdir(parents=True)
    (staging / "000000").write_bytes(b"a photograph")
    workspaces.expire(time.time() + 0.9 * DAY)
    assert (staging / "000000").exists()
    workspaces.expire(time.time() + 1.1 * DAY)
    assert not staging.exists()


# The end


def test_deleting_leaves_nothing_and_takes_nothing_of_anybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    theirs = a_workspace()
    a_set(theirs, "theirs", seed=1)
    jobs.start("posters", {"workspace": str(theirs), "set": "theirs"})
    kept.work_for(theirs)
    shared = kept.folder("probes", ["both use this"])
    kept.write(shared / "x.bin", {})
    before = everything() - {settings.load().home / "locks" / "submit.lock"}

    mine = a_workspace()
    kept.work_for(mine)
    own = kept.folder("probes", ["only I use this"])
    kept.write(own / "x.bin", {})
    assert kept.folder("probes", ["both use this"]) == shared
    sprite = kept.entry("sprites", f"{'0' * 32}.jpg")
    sprite.parent.mkdir(parents=True, exist_ok=True)
    sprite.write_bytes(b"a picture")
    kept.work_for(None)
    a_set(mine, "secret name")
    run = a_run(mine)
    jobs.submit(a_run(mine, "failed"))
    staging = settings.load().home / "staging" / "abc"
    staging.mkdir(parents=True)
    (staging / "000000").write_bytes(b"a photograph")
    jobs.start("ingest", {"workspace": str(mine), "set": "secret name", "staging": str(staging)})
    workspaces.visit(mine)
    (mine / "queries").mkdir()
    assert everything() - before

    workspaces.delete(mine)
    left = {p for p in everything() - before if p.suffix != ".lock" and p.name != "supervisor.log"}
    assert left == set()
    assert not list((settings.load().home / "queue").iterdir())
    assert kept.written(shared / "x.bin")
    assert before <= everything()
    for path in everything():
        assert mine.name not in str(path)
        assert mine.name.encode() not in path.read_bytes()
        assert b"secret name" not in path.read_bytes()
    assert run.id not in [other.id for other in runs.listing(mine)]

    kept.work_for(mine)  # who comes back is noted again
    assert kept.folder("probes", ["only I use this"]) == own
    kept.work_for(None)
    assert (mine / kept.NOTES).exists()


@pytest.mark.parametrize("workspace", ["local", "somebody", "0" * 31, "0" * 33])
def test_nothing_but_a_visitors_workspace_can_be_deleted_as_a_whole(workspace: str) -> None:
    made = a_set(settings.workspace(workspace), "mine")
    with pytest.raises(UserError, match="Only the workspace of a visitor"):
        workspaces.delete(settings.workspace(workspace))
    with pytest.raises(UserError, match="Only the workspace of a visitor"):
        workspaces.delete(settings.workspace() / "sets" / ("0" * 32))
    assert made.folder.exists()


def test_a_run_that_does_not_stop_keeps_the_workspace_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    mine = a_workspace()
    run = a_run(mine, "running")
    with FileLock(run.lock):
        with pytest.raises(UserError, match="still stopping"):
            workspaces.delete(mine, seconds=0.3)
        assert run.cancel_flag.exists()
    workspaces.delete(mine, seconds=0.3)
    assert not mine.exists()


def test_a_job_that_heeds_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    mine = a_workspace()
    a_set(mine, "mine")
    job = jobs.start("posters", {"workspace": str(mine), "set": "mine"})
    process = python(BUSY, job.id)
    try:
        wait_for(lambda: job.read_status().state == "running")
        workspaces.delete(mine, seconds=2.0)
        assert process.wait(timeout=30)
    finally:
        end_all()
    assert not mine.exists()
    assert not job.folder.exists()


@effort(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=20), st.integers(0, 2))
def test_of_the_cache_goes_what_nobody_else_has_used(used: list[tuple[int, int]], leaving: int) -> None:
    people = [a_workspace() for _ in range(3)]
    places = {}
    for person, thing in used:
        kept.work_for(people[person])
        places[thing] = kept.folder("exam", [people[0].name, thing])
        kept.write(places[thing] / "x.bin", {})
    kept.work_for(None)
    kept.release(people[leaving])
    for thing, place in places.items():
        users = {person for person, other in used if other == thing}
        assert place.exists() == (users != {leaving})


def test_notes_that_were_written_by_somebody_else_delete_nothing_outside_the_cache() -> None:
    mine, victim = a_workspace(), a_set(settings.workspace(), "mine")
    mine.mkdir(parents=True)
    (mine / kept.NOTES).write_text(
        f"../workspaces/local\n{victim.folder}\nexam/..\nexam\n/\nexam/{'0' * 32}/..\n"
    )
    kept.release(mine)
    assert len(imagesets.open_set(settings.workspace(), "mine")) == 3
