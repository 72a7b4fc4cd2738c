"""What every page stands in: the style, the sidebar with the current image set, and words for errors."""

from __future__ import annotations

import contextlib
import errno
import logging
import runpy
import time
from collections.abc import Iterator
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from sslviz import imagesets, jobs, journal, kept, runs, settings, threads, workspaces
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet
from sslviz.ui import looks, pictures, tour, visitor, work

log = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT) if hasattr(errno, "EDQUOT") else (errno.ENOSPC,)

DRAWING = 0.08
"""Seconds in which a browser draws a picture."""


def workspace() -> Path:
    """The folder of the sets and runs that this session sees."""
    return visitor.workspace()


def require() -> None:
    """The first line of every page: go through `app.py`.

    A folder called `pages` means something of its own to Streamlit until `st.navigation` has been called once
    in the process. Where a page's address is the first thing that a fresh server is asked for (a tab that
    outlived the server, F5), it therefore runs that page alone, with neither frame nor navigation. A rerun
    would lose the click that came with it, so the frame is run in its place.
    """
    context = get_script_run_ctx()
    if PagesManager.uses_pages_directory and context is not None:
        PagesManager.uses_pages_directory = False
        runpy.run_path(context.main_script_path)
        st.stop()


def draw(page: str) -> None:
    """Everything around the page called `page`; called once a run, before it."""
    st.html(Path(__file__).with_name("style.css"))
    st.logo(str(looks.ICON), size="large")
    _come_in(page)
    with st.sidebar:
        for part in (_choose_set, work.show, _training):
            with guard():
                part()
    tour.show(page)


def _come_in(page: str) -> None:
    """Where many use the server: who is not signed in is asked to, where one can, and a visit is noted."""
    if not settings.load().server:
        return
    if visitor.login_offered():
        with st.sidebar if visitor.signed_in() else contextlib.nullcontext():
            _sign_in_or_out()
    there = workspace()
    kept.work_for(there)
    workspaces.visit(there)
    if st.session_state.get("noted_page") != page:
        st.session_state["noted_page"] = page
        journal.note("page", workspace=there.name, page=page)


def _sign_in_or_out() -> None:
    if visitor.signed_in():
        name = st.user.to_dict().get("name") or st.user.to_dict().get("email") or "You are signed in"
        st.caption(pictures.literal(str(name), 80))
        st.button("Sign out", icon=":material/logout:", on_click=st.logout)
        return
    st.title("sslviz", anchor=False)
    st.markdown("Sign in to bring your images. Nobody else sees them.")
    st.button("Sign in", icon=":material/login:", type="primary", on_click=st.login)
    st.stop()


def serve() -> None:
    """Say that a server lives. Called after the page: it starts a process, and the paint comes first."""
    with guard():  # a home that cannot be written to shows what it has
        _server(str(settings.load().home))


@st.cache_resource(show_spinner=False, max_entries=4)
def _server(home: str) -> object:
    """Tells the supervisor of `home`, for as long as this process lives, that a server is there."""
    log.info("serving %s", home)
    return jobs.serve()


@contextlib.contextmanager
def guard() -> Iterator[None]:
    """Show a `UserError`, or a full disk, as a box of words in place of what could not be drawn. What is
    computed for a page has one thread."""
    threads.one_each()
    try:
        yield
    except UserError as error:
        problem(error)
    except OSError as error:
        if error.errno not in FULL:
            raise
        log.exception("disk full")
        problem(
            UserError("The disk is full.", "Free some space and try again; nothing that was stored is lost.")
        )


def let_draw() -> None:
    """Leave the browser the time to draw what it was sent: of what comes at once nothing is seen before all
    of it is drawn, and a chart takes longer than the picture that somebody moves a slider for."""
    time.sleep(DRAWING)


def problem(error: UserError) -> None:
    """An error for people: what is wrong, and what to do."""
    hint = f"  \n{pictures.literal(error.hint, 400)}" if error.hint else ""
    st.error(f"**{pictures.literal(error.message, 400)}**{hint}", icon=":material/error:")


def nothing(message: str, hint: str, page: str = "", label: str = "") -> None:
    """An empty state: what is not there yet, and where to go."""
    with st.container(border=True):
        st.markdown(f"**{message}**  \n{hint}")
        if page:
            st.page_link(f"pages/{page}.py", label=label, icon=":material/arrow_forward:")


def turn_to(name: str) -> None:
    """Make `name` the current set from the next run on."""
    st.session_state["next_images"] = name


def turn_away() -> None:
    """Forget the current set, which is no more: the newest of the others is next."""
    st.query_params.pop("images", None)


def current() -> str | None:
    """Name of the current set; None where there is no set at all."""
    name = st.session_state.get("images")
    return name if isinstance(name, str) else None


def open_current() -> ImageSet | None:
    """The current set, or words in its place where there is none."""
    name = current()
    if name is None:
        nothing(
            "There are no images yet.",
            "Bring your own, or have the built-in set drawn: 2,000 scenes in about ten seconds.",
            "images",
            "Add images",
        )
        if work.under_way("scenes"):
            st.caption("The scenes are being drawn; the page goes on by itself.")
        elif st.button("Draw the built-in scenes", icon=":material/brush:"):
            draw_scenes()
            st.rerun()
        return None
    chosen = imagesets.open_set(workspace(), name)
    if len(chosen) == 0:
        nothing(
            "This set is empty.",
            "Add images to it, or choose another one in the sidebar.",
            "images",
            "Add images",
        )
        return None
    return chosen


def choice(name: str, label: str, options: dict[str, str], default: str, *, shown: bool = True) -> str:
    """One of `options`, by key, each with the words it is shown as; it lives in the address, under `name`."""
    asked = st.query_params.get(name, default)
    key = f"choice_{name}"
    st.session_state[key] = asked if asked in options else default

    def chosen() -> None:
        if key in st.session_state:  # not so of a click that comes when another page is being drawn
            st.query_params[name] = st.session_state[key]

    st.segmented_control(
        label,
        list(options),
        key=key,
        format_func=lambda one: options[one],
        on_change=chosen,
        required=True,
        label_visibility="visible" if shown else "collapsed",
    )
    return str(st.session_state[key])


def draw_scenes() -> None:
    """Have the built-in set drawn, in a process of its own."""
    where = settings.shared() if settings.load().server else workspace()  # once, for everybody
    job = jobs.start("scenes", {"workspace": str(where)}, again=True)
    work.follow(job, "Drawing the built-in scenes")


def pick(label: str, place: str) -> None:
    """A second picker of the current set, for a page where the sidebar may be folded away."""
    key = f"pick_{place}"
    st.session_state[key] = current()

    def choose() -> None:
        st.session_state["next_images"] = st.session_state[key]

    names = st.session_state.get("image_names", [])
    st.selectbox(label, names, key=key, on_change=choose, format_func=set_name)


def set_name(name: str) -> str:
    """A set's name as it is shown in a list of them."""
    shared = name in st.session_state.get("shared_names", ())
    return f"{pictures.name_of(name)} · shared" if shared else pictures.name_of(name)


def _choose_set() -> None:
    sound = [summary for summary in imagesets.names(workspace()) if not summary.problem]
    names = [s.name for s in sorted(sound, key=lambda s: (s.builtin, s.shared, -s.created))]
    st.session_state["image_names"] = names
    st.session_state["shared_names"] = {s.name for s in sound if s.shared and not s.builtin}
    if not names:
        st.session_state.pop("images", None)  # the last one is gone
        st.caption("No image set yet.")
        return
    linked = st.query_params.get("images")
    for name in (st.session_state.pop("next_images", None), linked, st.session_state.get("images"), names[0]):
        if name in names:
            st.session_state["images"] = name
            break
    if linked and linked not in names:
        st.warning(f"There is no image set {pictures.literal(linked)}.", icon=":material/help:")
    # In the address always, not only where it is not the newest: a link must not mean another set tomorrow.
    st.query_params["images"] = st.session_state["images"]
    chosen = st.selectbox("Current images", names, key="images", on_change=_address, format_func=set_name)
    with guard():
        shown = imagesets.open_set(workspace(), chosen)
        rows = range(0, len(shown), max(1, len(shown) // 5))[:5]
        if rows:
            pictures.show(pictures.strip((shown.thumbnail(row), shown.entries[row].name) for row in rows))


def _address() -> None:
    st.query_params["images"] = st.session_state["images"]


def _training() -> None:
    found = _under_way()
    st.session_state["trainings_are_fresh"] = True
    st.fragment(_trainings, run_every=visitor.every(2.0) if found else None)(found)


def _under_way() -> list[tuple[runs.Run, runs.Status]]:
    """The runs that are not over, newest first; the encoders that come along are."""
    known = ((run, run.status()) for run in runs.listing(workspace()) if not run.bundled)
    return [(run, status) for run, status in known if status.state in ("queued", "running")]


def _trainings(found: list[tuple[runs.Run, runs.Status]]) -> None:
    """A line for each run that is not over, with a link to it; the body of a fragment. `found`: as the page
    found them, which are looked for anew when it is drawn by itself."""
    if not st.session_state.pop("trainings_are_fresh", False):
        found = _under_way()
        if not found:
            st.rerun()  # the last one is over: draw the page as it is now, and stop looking
    for run, status in found:
        title = looks.TASKS[run.spec.task].title.lower() if run.spec.task in looks.TASKS else "a network"
        if status.state == "queued":
            jobs.keep_supervisor()  # nobody else would notice that it was killed
            label = f"Waiting to train {title}"
        else:
            share = f" {status.step / status.steps:.0%}" if status.steps else ""
            label = f"Training {title}…{share}"
        st.page_link(
            "pages/train.py", label=label, icon=":material/model_training:", query_params={"run": run.id}
        )
