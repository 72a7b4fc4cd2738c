"""The exemplar task on one image."""

from sslviz.ui import frame, task_page

frame.require()
task_page.draw("exemplar")
