"""Names given by hand: what is kept, what is proposed for the rest, and who is asked about next."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from test_embeddings import make_set

from sslviz import imagesets, naming, settings
from sslviz.errors import UserError
from sslviz.imagesets import ImageSet, NewImage
from sslviz.naming import Proposals, Space, given, probe
from sslviz.naming.probe import PENALTY, fitted

HOSTILE = (
    "=cmd|' /C calc'!A0",
    "<img src=x onerror=alert(1)>",
    "**bold** :red[x] $y$",
    "🐈",
    "-1+1",
    "@sum",
)


def clusters(
    groups: int = 5, each: int = 120, noise: float = 0.9, dims: int = 40, seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Groups of unlike sizes around centres of their own: float32 (N, D) and a name for each row."""
    draw = np.random.default_rng(seed)
    sizes = [max(8, each // (1 + group)) for group in range(groups)]
    kind = np.repeat(np.arange(groups), sizes)
    rows = 3 + draw.normal(size=(groups, dims))[kind] + noise * draw.normal(size=(len(kind), dims))
    order = draw.permutation(len(kind))
    return rows[order].astype(np.float32), [f"kind {one}" for one in kind[order]]


def nearest(rows: np.ndarray) -> np.ndarray:
    """The 20 nearest other rows by cosine, best first."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    return np.argsort(-alike, axis=1)[:, :20]


def reopened(name: str = "photos") -> ImageSet:
    return imagesets.open_set(settings.workspace(), name)


# What is kept


def test_names_outlive_the_page_and_the_set_keeps_its_labels() -> None:
    images = make_set()
    before = images.labels
    naming.give(images, images.ids[:3], "cat")
    naming.give(images, images.ids[5:6], "dog")
    naming.give(images, images.ids[:1], "dog")
    names = naming.read(reopened())
    assert list(names.given.items()) == [
        (images.ids[0], "dog"), (images.ids[1], "cat"), (images.ids[2], "cat"), (images.ids[5], "dog")
    ]  # fmt: skip
    assert names.counts() == {"dog": 2, "cat": 2}
    assert reopened().labels == before
    reopened().rename("other")
    assert naming.read(reopened("other")).given == names.given


def test_everything_can_be_taken_back() -> None:
    images = make_set()
    states = [dict(naming.read(images).given)]
    naming.give(images, images.ids[:4], "cat")
    states.append(dict(naming.read(images).given))
    naming.give(images, images.ids[2:6], "dog")
    states.append(dict(naming.read(images).given))
    naming.forget(images, images.ids[:3])
    naming.forget(images, images.ids[:3])  # nothing changes, so nothing is to be undone
    for state in reversed(states):
        assert naming.read(images).undoable
        naming.undo(images)
        assert naming.read(images).given == state
    naming.undo(images)
    assert not naming.read(images).undoable


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_data(name: str) -> None:
    images = make_set()
    assert naming.give(images, images.ids[:1], f"  {name}\n") == name
    assert naming.read(reopened()).given == {images.ids[0]: name}
    images.set_labels(dict(naming.labels(images, naming.read(images), None)))
    assert images.labels[0] == name


def test_names_are_short_visible_and_spelled_once() -> None:
    images = make_set()
    assert len(naming.give(images, images.ids[:1], "x" * 500)) == given.LONGEST
    assert "\u202e" not in naming.give(images, images.ids[1:2], "left\u202eright")
    assert naming.give(images, images.ids[2:3], "Cat") == "Cat"
    assert naming.give(images, images.ids[3:4], "cAT") == "Cat"
    for nothing in ("", " \n\t", "\ud800"[:0]):
        with pytest.raises(UserError):
            naming.give(images, images.ids[:1], nothing)
    for wish in ("x" * 500, "a" * 79 + " b", "left\u202eright", "\ud800", "é" * 90):
        assert naming.clean(naming.clean(wish)) == naming.clean(wish)


def test_more_names_than_anybody_tells_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MOST", 3)
    images = make_set()
    for number in range(3):
        naming.give(images, [images.ids[number]], f"name {number}")
    with pytest.raises(UserError, match="3 different names"):
        naming.give(images, [images.ids[5]], "one more")
    naming.give(images, [images.ids[5]], "name 1")
    naming.give(images, images.ids[:1], "in its place")
    assert len(naming.read(images).counts()) == 3


def test_images_that_are_gone_keep_their_names_for_their_return() -> None:
    images = make_set()
    naming.give(images, images.ids[:4], "cat")
    naming.give(images, ["not of the set"], "dog")
    gone = images.ids[1]
    copies = imagesets.merge(settings.workspace(), ["photos"], "copy")
    reopened().remove([gone])
    names = naming.read(reopened())
    assert names.lost == 1
    assert gone not in names.given
    assert "dog" not in names.counts()
    naming.give(reopened(), reopened().ids[10:11], "dog")
    row = copies.row(gone)
    reopened().add(
        [imagesets.NewImage(copies.entries[row].name, stored=_stored(copies, row), label=None, source="")]
    )
    assert naming.read(reopened()).given[gone] == "cat"


def _stored(images: ImageSet, row: int) -> object:
    from sslviz.images import Stored

    entry = images.entries[row]
    return Stored(entry.id, entry.width, entry.height, images.jpeg(row), images.thumbnail(row))


def test_two_tabs_lose_nothing() -> None:
    images = make_set()

    def tab(number: int) -> None:
        own = reopened()
        for row in range(number, len(own), 3):
            naming.give(own, [own.ids[row]], f"tab {number}")

    threads = [threading.Thread(target=tab, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert naming.read(images).counts() == {f"tab {number}": 12 for number in range(3)}


DAMAGED = (
    "",
    "{",
    "[]",
    '{"version": 1, "given": {"a": 3}, "past": []}',
    '{"version": 1, "given": {"a": "x\u202e"}, "past": []}',
    '{"version": 1, "given": [], "past": 0}',
)


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_put_aside_not_lost(text: str) -> None:
    images = make_set()
    path = images.folder / "naming.json"
    path.write_text(text)
    assert naming.read(images) == naming.Names(damaged=True)
    naming.undo(images)
    naming.give(images, images.ids[:1], "cat")
    assert not naming.read(images).damaged
    assert (images.folder / "naming.damaged.json").read_text() == text


def test_a_set_that_was_deleted_is_not_made_anew() -> None:
    images = make_set()
    naming.give(images, images.ids[:1], "cat")
    reopened().delete()
    with pytest.raises(UserError, match="no longer exists"):
        naming.give(images, images.ids[:1], "dog")
    assert not images.folder.exists()


# What is proposed


def proposed(rows: np.ndarray, names: list[str], given: np.ndarray) -> Proposals:
    return naming.propose(Space(rows), given, [names[row] for row in given])


def test_the_space_is_centred_and_of_length_one() -> None:
    rows, _ = clusters()
    space = Space(rows)
    centred = rows - rows.mean(0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    some = np.array([3, 1, 200])
    np.testing.assert_allclose(space.rows(some), expected[some], atol=1e-5)
    weights = np.random.default_rng(1).normal(size=(rows.shape[1], 3)).astype(np.float32)
    np.testing.assert_allclose(space.scores(weights), expected @ weights, atol=1e-4)


def test_the_probe_is_ridge_regression() -> None:
    rows, names = clusters(groups=3)
    known = np.random.default_rng(0).permutation(len(rows))[:30]
    points = Space(rows).rows(known)
    answers = np.unique([names[row] for row in known], return_inverse=True)[1].astype(np.int64)
    weight = 30 / (3 * np.bincount(answers)[answers])
    targets = np.eye(3)[answers]
    targets -= weight @ targets / weight.sum()
    fit = fitted(points, answers, 3)
    ridge = Ridge(alpha=PENALTY, fit_intercept=False).fit(points, targets, sample_weight=weight)
    np.testing.assert_allclose(fit.weights, ridge.coef_.T, atol=1e-4)


@pytest.mark.parametrize(
    ("each", "noise"), [((2, 2, 2, 2, 2), 2.0), ((9, 4, 2, 1, 3), 2.5), ((1, 1, 2), 2.0)]
)
def test_the_left_out_are_told_by_fits_without_them(each: tuple[int, ...], noise: float) -> None:
    """Each by a probe of its own, in which the names weigh the same without it too."""
    rows, names = clusters(groups=len(each), noise=noise, dims=8, seed=3)
    kinds = np.array(names)
    known = np.concatenate(
        [np.flatnonzero(kinds == f"kind {group}")[:count] for group, count in enumerate(each)]
    )
    points = Space(rows).rows(known)
    answers = np.repeat(np.arange(len(each)), each)
    right, scores = (
        [],
        probe._left_out(
            points.astype(np.float64) @ points.T.astype(np.float64),
            np.eye(len(each))[answers] - 1 / len(each),
            answers,
            np.bincount(answers),
        ),
    )
    for row in range(len(known)):
        rest = np.arange(len(known)) != row
        if each[answers[row]] > 1:
            weights = fitted(points[rest], answers[rest], len(each)).weights
            np.testing.assert_allclose(scores[row], points[row] @ weights, atol=1e-5)
            weight = (len(known) - 1) / (len(each) * np.bincount(answers[rest])[answers[rest]])
            ridge = Ridge(alpha=PENALTY, fit_intercept=False)
            ridge.fit(points[rest], np.eye(len(each))[answers[rest]] - 1 / len(each), sample_weight=weight)
            np.testing.assert_allclose(scores[row], ridge.predict(points[[row]])[0], atol=1e-5)
            right.append(scores[row].argmax() == answers[row])
    assert fitted(points, answers, len(each)).alone == pytest.approx(np.mean(right))


def test_proposals_are_right_on_groups_and_certain_where_they_are_right() -> None:
    rows, names = clusters(groups=4, each=300, noise=2.2)
    known = np.random.default_rng(2).permutation(len(rows))[:60]
    found = proposed(rows, names, known)
    right = np.array([found.names[best] == name for best, name in zip(found.best, names, strict=True)])
    assert (found.given[known] >= 0).all()
    assert found.open.sum() == len(rows) - 60
    np.testing.assert_allclose(found.probability.sum(1), 1, atol=1e-5)
    share, said = right[found.open].mean(), found.certainty[found.open].mean()
    assert 0.5 < share < 0.99
    assert abs(share - said) < 0.12
    sure = found.open & (found.certainty > np.quantile(found.certainty[found.open], 0.8))
    assert right[sure].mean() > share
    assert found.alone is not None
    assert abs(found.alone - share) < 0.15


def test_a_name_known_from_few_images_is_not_certain() -> None:
    rows, names = clusters(groups=2, noise=0.05)
    for each in (1, 2, 5):
        known = np.concatenate(
            [np.flatnonzero(np.array(names) == kind)[:each] for kind in sorted(set(names))]
        )
        found = proposed(rows, names, known)
        assert found.certainty.max() <= 1 - 1 / (each + 2) / 2 + 1e-6
        assert (found.alone is None) == (each == 1)


def test_a_name_given_often_does_not_swallow_the_others() -> None:
    rows, names = clusters(groups=2, each=200, noise=1.5)
    kinds = np.array(names)
    known = np.concatenate([np.flatnonzero(kinds == "kind 0")[:60], np.flatnonzero(kinds == "kind 1")[:4]])
    found = proposed(rows, names, known)
    rare = found.open & (kinds == "kind 1")
    assert (np.array(found.names)[found.best[rare]] == "kind 1").mean() > 0.6


@pytest.mark.parametrize("count", [2, 3, 4])
def test_tiny_sets_and_equal_images(count: int) -> None:
    same = np.ones((count, 6), np.float32)
    found = naming.propose(Space(same), np.array([0, 1]), ["a", "b"])
    assert np.isfinite(found.probability).all()
    near = np.zeros((count, 1), np.int64)
    assert len(naming.least_certain(found, near, 12)) == count - 2
    assert sorted(naming.spread(Space(same), 12).tolist()) == list(range(count))


# Who is asked about


def test_to_begin_with_there_is_one_of_each_kind() -> None:
    rows, names = clusters(groups=5, noise=0.2)
    space = Space(rows)
    first = naming.spread(space, 8)
    assert len(set(first.tolist())) == 8
    assert {names[row] for row in first} == set(names)
    np.testing.assert_array_equal(first, naming.spread(space, 8))
    # What was named already is not asked about again, nor what is like it, as long as there is anything else.
    known = np.flatnonzero(np.array(names) != "kind 3")[:40]
    then = naming.spread(space, 4, besides=known)
    assert not set(then.tolist()) & set(known.tolist())
    assert "kind 3" in {names[row] for row in then}


def test_the_least_certain_come_first_and_no_two_alike() -> None:
    rows, names = clusters(groups=3, each=200, noise=1.5)
    found = proposed(rows, names, np.random.default_rng(0).permutation(len(rows))[:12])
    near = nearest(rows)
    asked = naming.least_certain(found, near, 12)
    assert len(set(asked.tolist())) == 12
    assert found.open[asked].all()
    assert (np.diff(found.margin[asked]) >= 0).all()
    assert asked[0] == np.flatnonzero(found.open)[found.margin[found.open].argmin()]
    for place, row in enumerate(asked):
        assert row not in near[asked[:place], : naming.asking.ALIKE]
    later = naming.least_certain(found, near, 12, besides=asked)
    assert not set(later.tolist()) & set(asked.tolist())
    # Where nothing else is left, they come after all.
    everything = naming.least_certain(found, near, len(rows), besides=asked)
    assert set(everything.tolist()) == set(np.flatnonzero(found.open).tolist())
    assert set(everything[-12:].tolist()) == set(asked.tolist())


def test_the_surest_are_of_that_name_and_sorted() -> None:
    rows, names = clusters(groups=3)
    found = proposed(rows, names, np.arange(15))
    for name in range(len(found.names)):
        rows_of = naming.surest(found, name, 10)
        assert (found.best[rows_of] == name).all()
        assert found.open[rows_of].all()
        assert (np.diff(found.certainty[rows_of]) <= 0).all()


def clicks_to(share: float, rows: np.ndarray, names: list[str], *, ask: bool, seed: int) -> int:
    """Images that somebody names, eight at a time, until so many of the others are called rightly."""
    space, draw, kinds = Space(rows), np.random.default_rng(seed), np.array(names)
    near = nearest(rows)
    known = naming.spread(space, 8, seed=seed) if ask else draw.permutation(len(rows))[:8]
    while len(known) < len(rows) // 2:
        found = None
        if len(set(kinds[known])) > 1:
            found = proposed(rows, names, known)
            if (np.array(found.names)[found.best] == kinds)[found.open].mean() >= share:
                return len(known)
        rest = np.setdiff1d(np.arange(len(rows)), known)
        more = naming.least_certain(found, near, 8) if ask and found else draw.permutation(rest)[:8]
        known = np.concatenate([known, more])
    return len(known)


def test_asking_about_the_least_certain_saves_clicks() -> None:
    asked, random = [], []
    for seed in range(6):
        rows, names = clusters(groups=6, each=150, noise=1.6, seed=seed)
        asked.append(clicks_to(0.9, rows, names, ask=True, seed=seed))
        random.append(clicks_to(0.9, rows, names, ask=False, seed=seed))
    assert np.mean(asked) < 0.85 * np.mean(random), (asked, random)


# What it is worth


def test_names_stand_for_the_label_that_most_of_their_images_have() -> None:
    labels = ["a", "a", "b", "b", None, "c", "b"]
    found = naming.truth(labels, {0: "Anna", 1: "Anna", 2: "Anna", 3: "Bob", 4: "Nobody"})
    assert found is not None
    assert found.labels == ["a", "b"]
    assert found.answers.tolist() == [0, 0, 1, 1, -1, -1, 1]
    assert found.stands == {"Anna": 0, "Bob": 1}
    everything = naming.truth(labels, {0: "Anna"})
    assert everything is not None
    assert everything.labels == ["a", "b", "c"]
    assert naming.truth(["a", "a", None], {}) is None


def test_better_features_need_fewer_names() -> None:
    rows, names = clusters(groups=4, each=200, noise=1.2)
    worse = rows + 3 * np.random.default_rng(9).normal(size=rows.shape).astype(np.float32)
    order = np.random.default_rng(3).permutation(len(rows))[:40]
    given = {int(row): f"my {names[row]}" for row in order}
    against = naming.truth(names, given)
    assert against is not None
    for measure in (
        lambda features: naming.simulated(Space(features), against),
        lambda features: naming.replayed(Space(features), given, against),
    ):
        good, bad = measure(rows), measure(worse)
        assert good.counts == bad.counts
        assert (good.accuracy[2:] > bad.accuracy[2:]).all()
        assert good.accuracy[-1] > good.accuracy[0]
    mine = naming.replayed(Space(rows), given, against)
    assert mine.counts[-1] == 40
    found = naming.propose(Space(rows), order, list(given.values()))
    right = np.array([f"my {name}" for name in names]) == np.array(found.names)[found.best]
    assert mine.accuracy[-1] == pytest.approx(right[found.open].mean(), abs=0.01)


# The way out


def test_table_and_labels() -> None:
    images = make_set()
    rows, _ = clusters(groups=2, each=30)
    naming.give(images, images.ids[:1], "=1+1")
    naming.give(images, images.ids[1:2], "other")
    names = naming.read(images)
    found = naming.propose(Space(rows[: len(images)]), np.array([0, 1]), ["=1+1", "other"])
    table = naming.table(images, names, found)
    assert len(table) == len(images)
    assert [row["given"] for row in table[:3]] == ["named", "named", "proposed"]
    assert naming.labels(images, names, found) == {images.ids[0]: "=1+1", images.ids[1]: "other"}
    least = float(np.median(found.certainty))
    some = naming.labels(images, names, found, least)
    assert 2 < len(some) < len(images)
    assert all(found.certainty[images.ids.index(image)] >= least - 1e-4 for image in list(some)[2:])
    assert len(naming.labels(images, names, found, 0.0)) == len(images)
    assert naming.table(images, names, None) == table[:2]


def test_a_table_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sslviz import cli
    from sslviz.tables import as_csv

    images = make_set()
    rows, _ = clusters(groups=2, each=30)
    naming.give(images, images.ids[:1], "cat")
    naming.give(images, images.ids[1:2], "dog")
    found = naming.propose(Space(rows[: len(images)]), np.array([0, 1]), ["cat", "dog"])
    file = tmp_path / "names.csv"
    file.write_text(as_csv(naming.table(images, naming.read(images), found)), encoding="utf-8")
    assert cli.run(["images", "label", "photos", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["labelled"] == 2
    assert reopened().labels[:3] == ["cat", "dog", "c"]
    assert cli.run(["images", "label", "photos", str(file), "--least", "0"]) == 0
    assert set(reopened().labels) == {"cat", "dog"}
    assert cli.run(["images", "label", "photos", str(tmp_path / "none.csv")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_table_that_went_through_a_spreadsheet_comes_back() -> None:
    from sslviz.tables import as_csv

    images = make_set()
    for row, name in enumerate(HOSTILE):
        naming.give(images, [images.ids[row]], name)
    names = naming.read(images)
    text = as_csv(naming.table(images, names, None))
    assert "'=cmd" in text
    assert naming.read_table(text.encode(), images) == naming.Brought(dict(names.given))
    assert naming.read_table(b"\xef\xbb\xbf" + text.encode(), images) == naming.Brought(dict(names.given))
    by_file = (
        b"file;label;certainty\r\n3.jpg;x;0,9\r\n4.jpg;y;0,2\r\n5.jpg;;1\r\nnone.jpg;z;1\r\n6.jpg;w;?\r\n"
    )
    told = naming.read_table(by_file, images, 0.5)
    assert told == naming.Brought({images.ids[3]: "x"}, unknown=1, uncertain=2, unlabelled=1)
    twice = b" File ,LABEL\n3.jpg,x\n3.jpg,x\n3.jpg,y\n4.jpg, \n"
    assert naming.read_table(twice, images) == naming.Brought(
        {images.ids[3]: "y"}, unlabelled=1, contradicted=1
    )
    for least in (-0.1, 1.1, float("nan")):
        with pytest.raises(UserError, match="from 0 to 1"):
            naming.read_table(by_file, images, least)
    for bad in (b"\xff\xfe\x00", b"", b"a,b\n1,2\n", json.dumps({"label": 1}).encode()):
        with pytest.raises(UserError):
            naming.read_table(bad, images)


def test_a_table_is_taken_row_by_row_or_not_at_all() -> None:
    """An open quote is no reason to forget what is behind it, nor `nan` one to be certain."""
    images = make_set()
    one, two = images.ids[1:3]
    rows = f"id,label,certainty\n{one},cat,0.9\n{two},dog,0.9\n"
    assert naming.read_table(rows.encode(), images, 0.5).labels == {one: "cat", two: "dog"}
    with pytest.raises(UserError, match="not a table") as caught:
        naming.read_table(rows.replace("cat", '"cat').encode(), images, 0.5)
    assert "quote" in caught.value.hint
    for doubtful in ("nan", "NaN", "-nan"):
        told = naming.read_table(rows.replace("cat,0.9", f"cat,{doubtful}").encode(), images, 0.5)
        assert told == naming.Brought({two: "dog"}, uncertain=1)
    spaced = f" id , label , certainty \n {one} , cat , 0.9 \n{two}\t,dog, \n   ,bird,1\n"
    assert naming.read_table(spaced.encode(), images, 0.5) == naming.Brought(
        {one: "cat", two: "dog"}, unknown=1
    )
    files = b"file,label\n 1.jpg ,cat\n2.jpg\t,dog\n"
    assert naming.read_table(files, images).labels == {one: "cat", two: "dog"}


def test_a_name_that_several_images_have_says_of_none_what_it_shows() -> None:
    images = imagesets.create(settings.workspace(), "twins")
    names = ("a.png", "a.png", "b.png", " a.png")
    images.add(
        [NewImage(name, pixels=np.full((40, 40, 3), 20 * n, np.uint8)) for n, name in enumerate(names)]
    )
    table = b"file,label\na.png,x\nb.png,y\n a.png,z\na.png ,x\n"
    assert naming.read_table(table, images) == naming.Brought(
        {images.ids[2]: "y", images.ids[3]: "z"}, ambiguous=2
    )
    by_id = f"id,file,label\n{images.ids[1]},a.png,x\n"
    assert naming.read_table(by_id.encode(), images) == naming.Brought({images.ids[1]: "x"})
