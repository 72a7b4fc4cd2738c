"""Images: bring your own, fetch a public set, look at a set and put it in order."""

import streamlit as st

from sslviz import settings
from sslviz.ui import frame, leaving, set_view, upload

frame.require()
st.title("Images")
alone = not settings.load().server
stays = "Everything stays on this machine" if alone else "Nobody else on this server sees what you bring"
st.markdown(f"{stays}. Labels are optional; the names of folders become labels.")
parts = {"add": "Add your own", "public": "Public sets", "look": "Look and put in order"}
part = frame.choice("part", "Part of the page", parts, "add", shown=False)
with frame.guard():
    {"add": upload.draw, "public": upload.public, "look": set_view.draw}[part]()
    leaving.draw()
