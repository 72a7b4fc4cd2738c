"""Who is who on a server: the cookie and the layer that hands it out, caches by workspace, the log, turns."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import json
import os
import re
import sys
import threading
import time
import weakref
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from small_runs import pictures
from streamlit.testing.v1 import AppTest

from sslviz import cli, imagesets, jobs, journal, settings, worker, workspaces
from sslviz.cli import machine
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.ui import cookies, garbage, remember, visitor
from sslviz.worker import turns

TOKENS = ["a" * 43, "b" * 43]
NAMES = [workspaces.of_token(token) or "" for token in TOKENS]


# The cookie


def served(
    cookie: str = "", kind: str = "text/html; charset=utf-8", scheme: str = "http", method: str = "GET"
) -> tuple[SimpleCookie, dict[bytes, bytes]]:
    """What a browser is told that asks for a page: (cookies, headers)."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"x"})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    headers = [(b"cookie", cookie.encode("latin-1"))] if cookie else []
    scope = {"type": "http", "method": method, "scheme": scheme, "headers": headers}
    asyncio.run(cookies.Keeper(app)(scope, receive, send))
    assert sent[1]["body"] == b"x"
    told = dict(sent[0]["headers"])
    return SimpleCookie(told.get(b"set-cookie", b"").decode()), told


def test_a_page_comes_with_a_token_that_no_script_and_no_other_site_can_use() -> None:
    jar, headers = served()
    morsel = jar["sslviz"]
    assert workspaces.of_token(morsel.value)
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
    assert not morsel["secure"]
    assert not morsel["domain"]
    assert int(morsel["max-age"]) >= 180 * 24 * 3600
    assert headers[b"cache-control"] == b"no-store"  # a proxy that kept it would give it to others
    assert served()[0]["sslviz"].value != morsel.value


def test_over_https_it_is_secure_and_cannot_be_planted() -> None:
    jar, _ = served(f"sslviz={TOKENS[0]}", scheme="https")
    assert set(jar) == {"__Host-sslviz"}
    assert jar["__Host-sslviz"]["secure"]
    assert jar["__Host-sslviz"].value != TOKENS[0]
    jar, _ = served(f"sslviz={TOKENS[0]}; __Host-sslviz={TOKENS[1]}", scheme="https")
    assert jar["__Host-sslviz"].value == TOKENS[1]


def test_a_browser_keeps_its_token_and_a_forged_one_is_replaced() -> None:
    assert served(f"a=b; sslviz={TOKENS[0]}; c=d")[0]["sslviz"].value == TOKENS[0]
    for forged in ("", "local", "../../x", "a" * 42, '"a b"', "\xe9" * 43, "=;=,=", "{" * 43):
        new = served(f"x=[; sslviz={forged}; y=é")[0]["sslviz"].value
        assert workspaces.of_token(new)
        assert new != forged


@pytest.mark.parametrize(
    "asked", [{"kind": "text/javascript"}, {"kind": "image/png"}, {"method": "POST"}, {"method": "HEAD"}]
)
def test_nothing_but_a_page_sets_it(asked: dict[str, str]) -> None:
    jar, headers = served(**asked)
    assert not jar
    assert headers[b"cache-control"] == b"no-cache"


# Who is there


def test_a_person_before_a_browser_and_neither_is_nobody() -> None:
    sent = {"sslviz": TOKENS[0]}
    assert visitor.of(sent, None) == NAMES[0]
    assert visitor.of({**sent, "__Host-sslviz": TOKENS[1]}, None) == NAMES[1]
    assert visitor.of(sent, ("https://issuer", "42")) == workspaces.of_person("https://issuer", "42")
    for forged in ({}, {"sslviz": "x"}, {"sslviz": 7}, {"sslviz": "local"}, {"other": TOKENS[0]}):
        assert visitor.of(forged, None) is None


WHO = """
import streamlit as st
from sslviz.ui import visitor
st.text(visitor.workspace().name)
"""


def said(app: AppTest) -> str:
    return str(app.run().text[0].value)


def test_alone_it_is_local_and_on_a_server_each_tab_without_a_cookie_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert said(AppTest.from_string(WHO)) == "local"
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    first, second = AppTest.from_string(WHO), AppTest.from_string(WHO)
    assert len({said(first), said(second), "local"}) == 3
    assert said(first) == said(first)


def test_a_session_that_comes_back_as_another_browser_remembers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    sent = {"sslviz": TOKENS[0]}
    monkeypatch.setattr(visitor, "of", lambda _, person: workspaces.of_token(sent["sslviz"]))
    app = AppTest.from_string(WHO)
    app.session_state["images"] = "holidays of Anna"
    assert said(app) == NAMES[0]
    assert app.session_state["images"] == "holidays of Anna"
    sent["sslviz"] = TOKENS[1]
    assert said(app) == NAMES[1]
    assert "images" not in app.session_state


def test_who_is_signed_in_is_told_by_who_vouches_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class User(dict[str, Any]):
        def to_dict(self) -> dict[str, Any]:
            return dict(self)

    def user(**claims: Any) -> None:
        monkeypatch.setattr(st, "user", User(claims))

    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    user()
    assert not visitor.login_offered()
    assert visitor.signed_in() is None
    user(is_logged_in=False)
    assert visitor.login_offered()
    assert visitor.signed_in() is None
    user(is_logged_in=True, iss="https://a", sub="42", email="x@y")
    assert visitor.signed_in() == ("https://a", "42")
    user(is_logged_in=True, email="x@y")
    assert visitor.signed_in() == ("", "x@y")
    user(is_logged_in=True, iss="https://a")  # vouched for, and called nothing
    assert visitor.signed_in() is None


# What is remembered


def a_set(workspace: Path, name: str) -> ImageSet:
    made = imagesets.create(workspace, name)
    made.add(NewImage(f"{name} {n}.png", pixels=one) for n, one in enumerate(pictures(2, 32)))
    return made


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Whose session it is: change "is" to change that."""
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    who = {"is": settings.workspace(NAMES[0])}
    monkeypatch.setattr(visitor, "workspace", lambda: who["is"])
    return who


@pytest.mark.parametrize("kind", [remember.data, remember.resource])
def test_the_same_images_of_two_people_are_remembered_apart(kind: Any, somebody: dict[str, Path]) -> None:
    made: list[str] = []

    @kind(max_entries=8)
    def names(_images: ImageSet, fingerprint: str, *, _other: object = None) -> list[str]:
        made.append(_images.name)
        return _images.names

    sets = [a_set(settings.workspace(name), which) for name, which in zip(NAMES, ("a", "b"), strict=True)]
    assert sets[0].fingerprint == sets[1].fingerprint
    for _ in range(2):
        for number, mine in enumerate(sets):
            somebody["is"] = settings.workspace(NAMES[number])
            assert names(mine, mine.fingerprint, _other=object()) == mine.names
    assert made == ["a", "b"]
    remember.forget()
    names(sets[1], sets[1].fingerprint)
    assert made == ["a", "b", "b"]


def test_what_everybody_sees_is_remembered_once(somebody: dict[str, Path]) -> None:
    from sslviz import runs, sharing

    made: list[int] = []

    @remember.data(max_entries=8)
    def count(_images: ImageSet, _runs: list[runs.Run], fingerprint: str) -> int:
        made.append(len(_images))
        return len(_images)

    a_set(settings.workspace(), "birds")
    sharing.share_set(settings.workspace(), "birds")
    own = a_set(settings.workspace(NAMES[0]), "own")
    for name in NAMES:
        somebody["is"] = settings.workspace(name)
        seen = imagesets.open_set(somebody["is"], "birds")
        bundled = runs.listing(somebody["is"])[-1:]
        count(seen, bundled, "x")
    assert made == [2]
    mine = runs.create(settings.workspace(NAMES[1]), runs.Spec("rotation", "birds"))
    count(seen, [*bundled, mine], "x")
    count(own, bundled, "y")
    assert made == [2, 2, 2]
    assert remember.whose_are(3, "x") == NAMES[1]


# The log


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.path().read_text().splitlines()]


def test_a_line_is_a_time_a_level_an_event_and_the_beginning_of_a_name() -> None:
    journal.note("page", workspace=NAMES[0], page="images")
    journal.note("job ended", "warning", NAMES[1], kind="ingest", seconds=1.5, state="failed")
    first, second = lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {"level": "info", "event": "page", "workspace": NAMES[0][:8], "page": "images"}
    assert second["seconds"] == 1.5
    assert NAMES[0] not in journal.path().read_text()


def test_the_name_of_a_file_cannot_get_into_the_log() -> None:
    for name in ("Anna on holiday.jpg", "../x", "<img>", "a\nb", "é", "x" * 61):
        with pytest.raises(AssertionError, match="is not plain"):
            journal.note("page", page=name)
    try:
        imagesets.open_set(settings.workspace(), "Anna on holiday")
    except UserError as error:
        journal.trouble(error, NAMES[0])
    (line,) = lines()
    assert line["kind"] == "UserError"
    assert re.fullmatch(r"__init__\.py:\d+", line["place"])
    assert "Anna" not in journal.path().read_text()


def test_the_log_is_rotated_and_loses_no_line_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLVIZ_MAX_LOG_BYTES", "2000")

    def write(first: int) -> None:
        for number in range(first, first + 20):
            journal.note("page", number=number)

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 20, 40)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = [json.loads(line)["number"] for path in journal.path().parent.glob("*.jsonl")
             for line in path.read_text().splitlines()]  # fmt: skip
    assert sorted(found) == list(range(60))
    for _ in range(200):
        journal.note("page")
    files = sorted(path.name for path in journal.path().parent.glob("*.jsonl"))
    assert files == ["server.1.jsonl", "server.2.jsonl", "server.3.jsonl", "server.4.jsonl", "server.jsonl"]
    assert all(path.stat().st_size < 2200 for path in journal.path().parent.glob("*.jsonl"))


def test_a_log_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    journal.path().parent.mkdir()
    journal.path().mkdir()
    journal.note("page")
    monkeypatch.setenv("SSLVIZ_HOME", "/proc/nowhere")
    journal.note("page")


# The command


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "school.example", ""])
def test_one_persons_workspace_is_not_shown_to_a_network(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["app", "--host", host, "--no-browser"]) == 2
    assert "everybody who can reach this machine" in (told := capsys.readouterr().err)
    assert "--server" in told
    machine.check_host(host, server=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.1.1", "::1", "localhost"])
def test_on_this_machine_alone_nothing_is_refused(host: str) -> None:
    machine.check_host(host, server=False)


def test_protections_are_on() -> None:
    options = machine.streamlit_options(machine.app_script(), "127.0.0.1", 8501)
    assert options["server.enableXsrfProtection"] is True
    assert options["server.enableCORS"] is True
    assert options["server.enableStaticServing"] is False
    assert options["client.showErrorDetails"] == "none"
    assert options["server.address"] == "127.0.0.1"


# Turns of short jobs


def test_one_job_of_a_workspace_and_a_few_of_all_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    monkeypatch.setenv("SSLVIZ_MOST_JOBS", "2")
    asked = [(owner, number) for owner in range(3) for number in range(3)]
    at_work: list[int] = []
    seen: list[list[int]] = []
    mutex = threading.Lock()

    def work(owner: int, number: int) -> None:
        job = jobs.start("posters", {"workspace": str(settings.workspace(f"{owner}" * 32)), "number": number})
        with turns.turn(job, RuntimeError):
            with mutex:
                at_work.append(owner)
                seen.append(list(at_work))
            time.sleep(0.05)
            with mutex:
                at_work.remove(owner)

    threads = [threading.Thread(target=work, args=one) for one in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 9
    assert max(map(len, seen)) == 2
    assert all(len(set(owners)) == len(owners) for owners in seen)


def test_photographs_are_read_though_every_turn_to_look_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever waits says so once: a write for each look of thirty who wait would keep the disk busy."""
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    monkeypatch.setenv("SSLVIZ_MOST_JOBS", "1")
    said: list[str] = []
    monkeypatch.setattr(jobs.Job, "set_status", lambda self, **told: said.append(told["message"]))

    def job(kind: str, owner: int) -> jobs.Job:
        return jobs.start(kind, {"workspace": str(settings.workspace(f"{owner}" * 32))})

    with turns.turn(job("embed", 0), RuntimeError):
        for owner in (0, 1):  # neither one's own work nor somebody else's is waited for
            with turns.turn(job("ingest", owner), RuntimeError):
                pass
        assert said == []  # nobody waited, and nobody had to be told
        waiting = job("embed", 1)
        threading.Timer(10 * turns.LOOK_SECONDS, waiting.cancel).start()
        with pytest.raises(RuntimeError), turns.turn(waiting, RuntimeError):
            pytest.fail("it was not its turn")
    assert said == ["Waiting for its turn."]


def test_training_jobs_wait_elsewhere_and_a_waiting_one_can_be_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    monkeypatch.setenv("SSLVIZ_MOST_JOBS", "1")

    def job(kind: str, owner: int) -> jobs.Job:
        return jobs.start(kind, {"workspace": str(settings.workspace(f"{owner}" * 32))})

    with turns.turn(job("shortcut", 0), RuntimeError), turns.turn(job("posters", 1), RuntimeError):
        waiting = job("posters", 2)
        waiting.cancel()
        with pytest.raises(RuntimeError), turns.turn(waiting, RuntimeError):
            pytest.fail("it was not its turn")
    monkeypatch.setenv("SSLVIZ_MOST_JOBS", "0")
    with turns.turn(job("posters", 1), RuntimeError), turns.turn(job("posters", 1), RuntimeError):
        pass


def test_alone_one_has_several_at_work_and_not_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    here = str(settings.workspace())

    def job(number: int) -> jobs.Job:
        return jobs.start("posters", {"workspace": here, "number": number})

    with contextlib.ExitStack() as at_work:
        for number in range(settings.load().most_jobs):
            at_work.enter_context(turns.turn(job(number), RuntimeError))
        waiting = job(100)
        waiting.cancel()
        with pytest.raises(RuntimeError), turns.turn(waiting, RuntimeError):
            pytest.fail("it was not its turn")


def test_a_turn_that_finds_no_room_ends_the_job_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs.processes, "detach", lambda *_, **__: None)
    job = jobs.start("posters", {"workspace": str(settings.workspace()), "set": "none"})

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(turns, "first_free", full)
    worker.work_job(job)
    status = job.status()
    assert (status.state, status.pid) == ("failed", None)
    assert "disk is full" in status.error


# What the server does with memory


def test_garbage_is_collected_seldom_and_what_is_loaded_is_not_walked_over_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = machine.streamlit_options(machine.app_script(), "127.0.0.1", 8501)
    assert options["runner.postScriptGC"] is False

    class Ring:
        pass

    ring = Ring()
    ring.itself = ring  # type: ignore[attr-defined]
    gone = weakref.ref(ring)
    before, frozen = len(sys.modules), gc.get_freeze_count()
    gc.disable()
    try:
        del ring
        assert gone() is not None
        assert garbage.collect(before) == before
        assert gone() is None
        assert gc.get_freeze_count() == frozen
        monkeypatch.setattr(garbage, "MODULES", 1)
        assert garbage.collect(before - 1) == before
        assert gc.get_freeze_count() > frozen
    finally:
        gc.enable()
        gc.unfreeze()
