"""The exemplar task on one image."""

from sslviz.ui import task_page

task_page.draw("exemplar")
