"""`python -m sslviz.images`: the decoding child."""

from sslviz.images.child import serve

serve()
