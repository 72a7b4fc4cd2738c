"""The permutation lab and the transforms lab on their pages, through AppTest."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pictures import photos
from streamlit.testing.v1 import AppTest
from test_pages import a_set, nothing_starts, opened, words

from sslviz import imagesets, preview, settings
from sslviz.imagesets import ImageSet, NewImage
from sslviz.options import make_task
from sslviz.tasks.copies import unchanged
from sslviz.ui import pictures, transform_settings
from sslviz.ui.transform_settings import TRANSFORMS

__all__ = ["nothing_starts"]


def lab(page: str, view: str, **query: str) -> AppTest:
    app = opened(page, view=view, **query)
    assert not app.exception
    return app


def small_set(side: int, name: str = "small", flat: bool = False) -> ImageSet:
    made = imagesets.create(settings.workspace(), name)
    draw = np.random.default_rng(0)
    for number in range(3):
        pixels = draw.integers(0, 256, (side, side, 3), np.uint8)
        made.add([NewImage(f"{number}.png", pixels=np.full_like(pixels, 50 * number) if flat else pixels)])
    return made


def slider(app: AppTest, label: str) -> Any:
    return next(one for one in app.select_slider if label in one.label)


# Permutations


def test_the_figures_of_a_set_change_with_its_size() -> None:
    a_set("some", 3)
    app = lab("jigsaw", "permutations")
    said = words(app)
    assert "8 of 9" in said
    assert "no set of 64 can have more than 8" in said
    assert "8.125" in said
    assert "at most 8.127" in said
    assert "one of 64 answers" in said
    slider(app, "Number of permutations").set_value(100).run()
    said = words(app)
    assert "7 of 9" in said
    assert "PGL(2, 8)" in said
    assert "1%" in said


@pytest.mark.parametrize(("kind", "least"), [("greedy_min", 7), ("greedy_mean", 2), ("random", 4)])
def test_other_ways_of_choosing(kind: str, least: int) -> None:
    a_set("some", 3)
    assert f"{least} of 9" in words(lab("jigsaw", "permutations", set=kind))


def test_the_closest_puzzles_are_the_tasks_own() -> None:
    """The two greedy puzzles that differ in two slots: the same pixels in all others, and those that `make`
    gives in an order of its own."""
    images = a_set("some", 3)
    html = "".join(element.value for element in lab("jigsaw", "permutations", set="greedy_mean").html)
    nine = re.findall(r'<div class="sv-nine sv-pixels">(.*?)</div></div>', html)
    shown = [re.findall(r'src="([^"]*)"', one) for one in nine]
    lit = [[i for i, cell in enumerate(one.split("<div")[1:]) if "sv-lit" in cell] for one in nine]
    assert lit[0] == lit[1]
    assert len(lit[0]) == 2
    assert [i for i in range(9) if shown[0][i] != shown[1][i]] == lit[0]
    bound = preview.bind(
        make_task("jigsaw", {"permutations": 64, "permutation_set": "greedy_mean"}), images, 0
    )
    orders = bound.problem.arrangements[[1, 9]].tolist()
    for order, found in zip(orders, shown, strict=True):
        assert [pictures.pixels_uri(view) for view in bound.puzzle(order, 0).views] == found


def test_a_set_can_be_given_to_the_task() -> None:
    a_set("some", 3)
    app = lab("jigsaw", "permutations", set="random")
    slider(app, "Number of permutations").set_value(100).run()
    next(one for one in app.button if one.label == "Give the task this set").click().run()
    assert app.session_state["options_jigsaw"] == {"permutation_set": "random", "permutations": 100}
    assert next(one for one in app.button if one.label == "The task has this set").disabled
    app.query_params["view"] = "look"
    assert "one of 100 orders" in "".join(element.value for element in app.run().html)


def test_images_that_are_too_small_for_a_puzzle_leave_the_figures() -> None:
    small_set(40)
    app = lab("jigsaw", "permutations")
    assert "8 of 9" in words(app)


# Transforms


def test_strengths_are_the_papers_ranges_with_nothing_in_the_middle() -> None:
    ends = {"translation": 0.2, "scale": 1.4, "rotation": 20, "contrast": 2, "power": 4, "multiply": 1.4,
            "add": 0.1, "hue": 0.1}  # fmt: skip
    assert set(ends) == set(TRANSFORMS)
    for name, transform in TRANSFORMS.items():
        values = transform_settings.strengths(transform)
        assert values[-1] == pytest.approx(ends[name])
        assert values[0] == pytest.approx(1 / ends[name] if transform.factor else -ends[name])
        assert values[len(values) // 2] == (1 if transform.factor else 0)
        assert values == sorted(values)


@pytest.mark.parametrize("name", ["translation", "contrast", "hue"])
def test_each_transform_alone(name: str) -> None:
    a_set("some", 3)
    app = lab("exemplar", "transforms", transform=name)
    seed, copy = copies(app)[:2]
    assert seed == copy
    strip = copies(app)[2:]
    assert len(strip) == 9
    assert strip[4] == seed
    part = TRANSFORMS[name].parts[0]
    slider(app, part.title).set_value(5).run()
    seed, copy, *_ = copies(app)
    assert seed != copy


def copies(app: AppTest) -> list[str]:
    html = "".join(element.value for element in app.html)
    return re.findall(r'src="([^"]*)" alt="View', html)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_every_part_of_every_transform_does_something(name: str) -> None:
    bound = preview.bind(make_task("exemplar"), photos(3, 96).numpy(), 0)
    row, transform = bound.rows[0], TRANSFORMS[name]
    (seed,) = bound.changed(row, unchanged(1))
    found = []
    for part in transform.parts:
        amounts = transform_settings.strengths(transform, 1)[-1:]
        changes = transform_settings.with_part(unchanged(1), transform, part, amounts)
        found.append(bound.changed(row, changes)[0].views[0].tobytes())
    assert len({seed.views[0].tobytes(), *found}) == 1 + len(transform.parts)


def test_all_together_and_back() -> None:
    a_set("some", 3)
    app = lab("exemplar", "transforms", how="together")
    seed, copy, *many = copies(app)
    assert seed == copy
    assert len(set(many)) == 24
    slider(app, "Hue").set_value(8)
    slider(app, "Rotation").set_value(-8).run()
    assert len(set(copies(app)[:2])) == 2
    next(one for one in app.button if one.label == "Draw again").click().run()
    assert not set(copies(app)[2:]) & set(many)
    slider(app, "K,").set_value(100).run()
    assert len(copies(app)) == 102
    next(one for one in app.button if one.label == "All unchanged").click().run()
    assert len(set(copies(app)[:2])) == 1


def test_more_seeds_than_there_is_room_for_is_a_sentence() -> None:
    a_set("some", 3)
    app = lab("exemplar", "transforms")
    slider(app, "N,").set_value(32_000).run()
    assert not app.exception
    assert "There is room for" in words(app)
    slider(app, "N,").set_value(50).run()
    assert not app.error


def test_flat_and_tiny_images_are_a_sentence() -> None:
    small_set(20, "tiny")
    assert not lab("exemplar", "transforms", images="tiny").exception
    small_set(64, "flat", flat=True)
    assert "not flat" in words(lab("exemplar", "transforms", images="flat"))
