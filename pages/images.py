"""Images: bring your own, fetch a public set, look at a set and put it in order."""

import streamlit as st

from sslviz.ui import frame, set_view, upload

frame.require()
st.title("Images")
st.markdown("Everything stays on this machine. Labels are optional; the names of folders become labels.")
parts = {"add": "Add your own", "public": "Public sets", "look": "Look and put in order"}
part = frame.choice("part", "Part of the page", parts, "add", shown=False)
with frame.guard():
    {"add": upload.draw, "public": upload.public, "look": set_view.draw}[part]()
