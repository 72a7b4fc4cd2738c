"""Four small encoders, trained by sslviz on its own scenes, so that the first minute has something to look at.

Each is a run folder that `sslviz.runs` lists after one's own runs. `python -m sslviz.encoders` makes them anew.
"""
