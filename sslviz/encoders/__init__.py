"""Four small encoders, trained by sslviz on its own scenes, so that there is something to look at at once.

Each is a run folder that `sslviz.runs` lists after one's own. `python -m sslviz.encoders` makes them anew.
"""
