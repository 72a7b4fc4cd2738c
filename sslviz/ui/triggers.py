"""What a component of ours has just told."""

from __future__ import annotations

from typing import Any

import streamlit as st


def told(key: str, name: str) -> Any:
    """The value of a trigger, for its callback; None where the component is gone, as when the page was
    turned while its word was on the way."""
    return getattr(st.session_state[key], name, None) if key in st.session_state else None
