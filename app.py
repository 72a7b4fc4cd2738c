"""The app's frame: page config and navigation; nothing else."""

import streamlit as st

from sslviz.ui import frame, looks

st.set_page_config(page_title="sslviz", page_icon=str(looks.ICON), layout="wide")
tasks = [
    st.Page(f"pages/{name}.py", title=look.title, icon=look.icon, help=look.sentence)
    for name, look in looks.TASKS.items()
]
page = st.navigation(
    {
        "": [
            st.Page("pages/start.py", title="Start", icon=":material/home:", default=True),
            st.Page("pages/tour.py", title="Tour and glossary", icon=":material/school:"),
        ],
        "Your images": [st.Page("pages/images.py", title="Images", icon=":material/photo_library:")],
        "The four tasks": [
            *tasks,
            st.Page("pages/shortcuts.py", title="Shortcuts", icon=":material/alt_route:"),
        ],
        "Train and look": [
            st.Page("pages/train.py", title="Train", icon=":material/model_training:"),
            st.Page("pages/runs.py", title="Runs", icon=":material/list_alt:"),
            st.Page("pages/embeddings.py", title="Embeddings", icon=":material/scatter_plot:"),
            st.Page("pages/downstream.py", title="Downstream", icon=":material/grading:"),
            st.Page("pages/papers.py", title="Papers", icon=":material/menu_book:"),
        ],
    },
    expanded=True,
)
frame.draw(page.url_path or "start")
with frame.guard():
    page.run()
frame.serve()
