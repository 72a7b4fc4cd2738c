"""Train: choose a task, start, watch the curve. The run's id is in the URL, so F5 finds it again."""

import streamlit as st

from sslviz import origins, runs
from sslviz.errors import UserError
from sslviz.ui import frame, plotly_js, run_view, train_form, words

frame.require()


@st.fragment
def over(run: runs.Run) -> None:
    """What to do with a run that has ended."""
    status = run.status()
    learned = status.state in ("done", "cancelled") and next(run.checkpoints(), None) is not None
    with st.container(horizontal=True):
        if learned and st.button("See the map", icon=":material/scatter_plot:", type="primary"):
            frame.turn_to(origins.name_of(run))
            st.switch_page("pages/embeddings.py", query_params={"run": run.id})
        longer = learned and not run.bundled  # whose images need not be here
        if longer and st.button(train_form.longer(), icon=":material/more_time:"):
            with frame.guard():
                st.query_params["run"] = train_form.begin(train_form.further(run)).id
                st.rerun()
        if status.state in ("failed", "lost", "cancelled") and st.button("Resume", icon=":material/resume:"):
            with frame.guard():
                run_view.resume(run)
                st.rerun()
        if st.button("New run", icon=":material/add:"):
            del st.query_params["run"]
            st.rerun()


def watch(run: runs.Run) -> None:
    """The run as it goes."""
    st.title(words.title(run), anchor=False)
    run_view.show(run)
    if run.status().state not in run_view.LIVE:
        over(run)
    with st.expander("What was asked"):
        train_form.command(origins.command_of(run))


def ask() -> None:
    """The form."""
    st.title("Train", anchor=False)
    st.markdown(
        "Choose a task and press start. Training goes on in a process of its own: you may close this tab, "
        "and find the run again under its address or on the runs page."
    )
    images = frame.open_current()
    if images is None:
        return
    spec = train_form.choose(images)
    if st.button("Start training", type="primary", icon=":material/play_arrow:"):
        with frame.guard():
            further = train_form.begin(spec)
            st.query_params.pop("task", None)
            st.query_params["run"] = further.id
            st.rerun()
    train_form.command(spec.command)


wanted = st.query_params.get("run")
if not wanted:
    ask()
else:
    try:
        found = runs.open_run(frame.workspace(), wanted)
    except UserError as unknown:
        frame.problem(UserError(unknown.message, "It may have been deleted. Start a new one below."))
        st.page_link("pages/runs.py", label="See all runs", icon=":material/list_alt:")
        ask()
    else:
        watch(found)
plotly_js.library()  # also under the form, so that it is there when the first point comes
