"""How many right answers are possible at best with the chosen options, and why."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from sslviz.shortcuts import ceilings
from sslviz.ui import pictures

if TYPE_CHECKING:
    from sslviz.preview import Bound


def show(name: str, options: Mapping[str, Any], bound: Bound | None = None) -> None:
    """Draw it for the task `name`: of the options whatever the images, and of the image that the task is
    `bound` to where that allows less."""
    found = ceilings.of_options(name, options)
    said = f"**Possible at best: {pictures.literal(f'{found.value:.1%}')}.** {' '.join(found.reasons)}"
    if bound is not None and "torch" in sys.modules:
        own = _own(name, options, bound)
        if own.value < found.value:
            share = pictures.literal(f"{own.value:.1%}")
            said += f" **On this image {share}**: {' '.join(own.reasons) or 'some of its views look alike.'}"
    if found.value < 1:
        st.warning(said, icon=":material/rule:")
    else:
        st.caption(said)


def _own(name: str, options: Mapping[str, Any], bound: Bound) -> ceilings.Ceiling:
    from sslviz.options import make_task

    return ceilings.of_images(make_task(name, options), bound.square.transpose(2, 0, 1)[None])
