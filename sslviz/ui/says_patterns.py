"""What hundreds of answers have in common: how many are right, where the wrong ones go, what is hard."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sslviz.exam import SHOWN, Exam, patterns
from sslviz.imagesets import ImageSet
from sslviz.intervals import wilson
from sslviz.ui import pictures, says_figures, task_run
from sslviz.ui.answer_pictures import one
from sslviz.ui.play_words import percent


def draw(found: Exam, images: ImageSet) -> None:
    """All of it."""
    _figures(found)
    {"rotation": _rotation, "jigsaw": _jigsaw, "location": _location, "exemplar": _exemplar}[found.task](
        found, images
    )
    _ranked(found, images)
    if found.task == "rotation":
        _tilts(found, images)


def _figures(found: Exam) -> None:
    what = "patches" if found.task == "exemplar" else "images"
    number = len(set(found.answer.tolist())) if found.task == "exemplar" else found.images
    # As if each image were one question: what is said of it four times over is not four times as much.
    low, high = wilson(found.accuracy, number)
    cells = [
        ("Correct", f"{found.accuracy:.1%}", f"95% interval: {100 * low:.0f} to {high:.0%}"),
        ("Chance", _chance(found.classes), f"1 in {found.classes:,}"),
        ("Asked", f"{len(found.answer):,}", f"questions on {number:,} {what}"),
    ]
    pictures.figures(cells)
    st.caption(task_run.KNOWS[found.kind])


def _chance(classes: int) -> str:
    share = 1 / classes
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def _rotation(found: Exam, images: ImageSet) -> None:  # noqa: ARG001
    st.markdown("**Which turn is taken for which**")
    table = patterns.confusion(found)
    pictures.show(says_figures.matrix(table, found.words), "rotation")
    st.caption(
        "A row for each turn, with how often it was taken for each: of every row, in per cent. **Look for** "
        "which mistakes are common: many things look much the same upside down, and what lies on its left "
        "side looks like its mirror image on its right."
    )


def _location(found: Exam, images: ImageSet) -> None:  # noqa: ARG001
    st.markdown("**Where the answers went, by where the second patch lay**")
    pictures.show(says_figures.arrows(patterns.confusion(found), found.words), "location")
    st.caption(
        "One box for each place of the second patch. Its arrows point to where the network put it, the "
        "longer the more often; the coloured one is correct, and the number is its share. **Look for** boxes "
        "that look alike: places that cannot be told apart, such as left and right where nothing says which "
        "is which."
    )


def _jigsaw(found: Exam, images: ImageSet) -> None:  # noqa: ARG001
    st.markdown("**How far off the orders are**")
    counts, guessed = patterns.distances(found)
    pictures.show(says_figures.steps(counts, guessed), "jigsaw")
    least = next((d for d in range(1, len(guessed)) if guessed[d] > 0), 9)
    near = (
        f"No two of its {found.classes:,} orders differ in fewer than {least} slots, so that there are no "
        "near misses."
        if least > 2
        else "**Look for** wrong answers at small distances, where guessing has hardly any: near misses."
    )
    st.caption(
        "By the number of slots, of nine, in which the network's order differs from the correct one (their "
        f"Hamming distance): 0 is correct. The dashed lines are what guessing would have. {near}"
    )


def _exemplar(found: Exam, images: ImageSet) -> None:  # noqa: ARG001
    st.markdown("**Patches that are taken for each other**")
    alike = [pair for pair in patterns.pairs(found, SHOWN) if found.patch(pair.one) is not None]
    if not alike:
        st.caption("There are none.")
        return
    cells = []
    for pair in alike:
        both = "".join(
            one(patch, f"Patch {number + 1}")
            for number in (pair.one, pair.other)
            if (patch := found.patch(number)) is not None
        )
        told = f"{pair.mistaken} of {pair.asked} copies mistaken · {percent(pair.share)} to the other"
        cells.append(f"<figure><div>{both}</div><figcaption>{told}</figcaption></figure>")
    pictures.show(f'<div class="ns-pairs">{"".join(cells)}</div>', "exemplar")
    st.caption(
        "The two classes of each pair are alike to the network: copies of either were taken for the other, "
        "or were given some of its probability. Patches of sky, of grass, or of a photograph that is there "
        "twice are classes that contradict each other."
    )


def _ranked(found: Exam, images: ImageSet) -> None:
    by_patch = found.task == "exemplar"
    ranked = patterns.ranked(found, "answer" if by_patch else "row")
    count = min(SHOWN, len(ranked) // 2)
    if not count:
        return
    what = "patches" if by_patch else "images"
    st.markdown(f"**The easiest {what}**")
    pictures.show(_thumbnails(found, images, ranked[:count], by_patch=by_patch))
    st.markdown(f"**The hardest {what}**")
    pictures.show(_thumbnails(found, images, ranked[::-1][:count], by_patch=by_patch))
    st.caption(
        f"By the mean loss over the questions about each, of {len(ranked):,} {what}; under each, how many "
        "were answered correctly. About the hardest it was sure and wrong."
    )


def _thumbnails(found: Exam, images: ImageSet, some: Sequence[patterns.Ranked], *, by_patch: bool) -> str:
    cells = []
    for each in some:
        told = f"{each.right} of {each.asked} correct"
        if by_patch:
            patch = found.patch(each.number)
            picture = None if patch is None else pictures.pixels_uri(patch)
            cells.append((picture, f"Patch {each.number + 1}", told))
        else:
            name = images.entries[each.number].name
            cells.append((pictures.uri(images.thumbnail(each.number)), name, told))
    return says_figures.thumbnails([cell for cell in cells if cell[0]])


def _tilts(found: Exam, images: ImageSet) -> None:
    st.markdown("**Images without a clear up**")
    some = patterns.tilts(found)[:SHOWN]
    cells = [
        (
            pictures.uri(images.thumbnail(each.row)),
            images.entries[each.row].name,
            f"{each.entropy:.2f} bits",
            says_figures.compass(each.shares),
        )
        for each in some
    ]
    pictures.show(says_figures.tilted(cells), "rotation")
    st.caption(
        "What the network says to the four turns of an image, each turned back, and the mean of them: how "
        "likely it is that the top, the left, the bottom or the right side is up. Its entropy is 0 bits "
        "where the network is sure and 2 where no side is likelier. For a picture from above, a pattern or a "
        "ball there is no correct answer."
    )
