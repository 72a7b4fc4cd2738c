"""Images: bring your own, fetch a public set, look at a set and put it in order."""

import streamlit as st

from sslviz.ui import frame, set_view, upload

frame.require()
st.title("Images")
st.markdown("Everything stays on this machine. Labels are optional; the names of folders become labels.")
add, public, look = st.tabs(["Add your own", "Public sets", "Look and put in order"], key="images_tab")
with add, frame.guard():
    upload.draw()
with public, frame.guard():
    upload.public()
with look, frame.guard():
    set_view.draw()
