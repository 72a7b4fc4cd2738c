"""Two people on one server: nothing of the one is ever in a page of the other.

Both have the same photographs, so that whatever is remembered or kept by what it was made of is the same for
both; names, labels, titles and one photograph are their own.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import recorded
from streamlit.testing.v1 import AppTest

from sslviz import embeddings, imagesets, inside, runs, settings, workspaces
from sslviz.imagesets import ImageSet, NewImage
from sslviz.runs import Run, Spec
from sslviz.ui import visitor

BUNDLED = "rotation0000"
ROOT = Path(__file__).resolve().parents[1]
WALK: list[tuple[str, dict[str, str]]] = [
    ("start", {}),
    ("tour", {}),
    ("images", {"part": "add"}),
    ("images", {"part": "public"}),
    ("images", {"part": "look"}),
    *((task, {}) for task in ("rotation", "exemplar", "jigsaw", "location")),
    ("rotation", {"view": "play"}),
    ("rotation", {"view": "network", "run": BUNDLED}),
    ("shortcuts", {}),
    ("train", {}),
    ("runs", {}),
    ("embeddings", {"run": BUNDLED}),
    *(("embeddings", {"view": view, "run": BUNDLED}) for view in ("beside", "inside")),
    *(
        ("downstream", {"view": view, "run": BUNDLED})
        for view in ("classes", "masks", "boxes", "name", "tasks", "scatter")
    ),
    ("papers", {}),
]


LEAVE = """
from sslviz.ui import leaving
leaving.leave()
"""


@dataclass
class Person:
    """Somebody, and words that are theirs alone."""

    name: str
    token: str
    images: ImageSet
    run: Run

    @property
    def marks(self) -> list[str]:
        """What must not be seen by anybody else."""
        own = imagesets.open_set(self.images.workspace, f"{self.name}other")
        thumbnail = base64.b64encode(own.thumbnail(0)).decode()
        return [self.name, self.images.id, own.id, self.run.id, own.ids[0], thumbnail[-200:],
                workspaces.of_token(self.token) or "", self.token]  # fmt: skip


def noise(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)


def a_person(name: str, seed: int) -> Person:
    token = workspaces.new_token()
    workspace = settings.workspace(workspaces.of_token(token) or "")
    other = imagesets.create(workspace, f"{name}other")
    other.add([NewImage(f"{name}picture.png", pixels=noise(seed))])
    images = imagesets.create(workspace, f"{name}set")
    images.add(
        NewImage(f"{name}picture {number}.png", pixels=noise(number), label=f"{name}label{number % 2}")
        for number in range(5)
    )
    run = runs.create(workspace, Spec("rotation", images.name, fingerprint=images.fingerprint, minutes=0.1))
    run.describe(title=f"{name}title", note=f"{name}note")
    run.append_metric({"step": 100, "loss": 0.9, "accuracy": 0.5, "heldout_accuracy": 0.4})
    run.set_status(state="failed", step=100, message=f"{name}error", chance=0.25, classes=4)
    return Person(name, token, images, run)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> tuple[Person, Person]:
    monkeypatch.setenv("SSLVIZ_SERVER", "1")
    recorded(monkeypatch)
    return a_person("zqanna", 101), a_person("zqberta", 102)


def opened(person: Person) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.session_state[visitor.TAB] = person.token
    return app.run()


def turned_to(app: AppTest, page: str, query: dict[str, str]) -> AppTest:
    app.switch_page(f"pages/{page}.py").run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.run() if query else app


def everything(app: AppTest) -> str:
    """All that the server has told the browser, and the address."""
    found: list[str] = []

    def walk(node: Any) -> None:
        found.append(str(getattr(node, "proto", "")))
        for child in getattr(node, "children", {}).values():
            walk(child)

    walk(app._tree)
    return "\n".join(found) + str(dict(app.query_params))


def test_on_no_page_is_there_anything_of_somebody_else(people: tuple[Person, Person]) -> None:
    # What is computed for the one is there for the other, who has the same images.
    assert people[0].images.fingerprint == people[1].images.fingerprint
    embeddings.compute(people[0].images.workspace, BUNDLED, people[0].images.name, projection=None)
    inside.compute(people[0].images.workspace, BUNDLED, people[0].images.name)
    apps = [opened(person) for person in people]
    seen = {person.name: 0 for person in people}
    for page, query in WALK:
        for app, person, other in zip(apps, people, people[::-1], strict=True):
            turned_to(app, page, query)
            assert not app.exception, page
            told = everything(app)
            for mark in other.marks:
                assert mark not in told, f"{person.name} sees {mark!r} on {page} {query}"
            seen[person.name] += person.name in told
    assert min(seen.values()) > len(WALK) // 2, "nothing was looked at"


@pytest.mark.parametrize("page", ["train", "runs", "embeddings", "rotation", "downstream"])
def test_an_address_of_somebody_else_leads_nowhere(page: str, people: tuple[Person, Person]) -> None:
    anna, ben = people
    app = turned_to(opened(ben), page, {"run": anna.run.id, "images": anna.images.name, "query": "0" * 16})
    assert not app.exception
    told = everything(app)
    # What was typed may be said back; nothing that it would lead to.
    for mark in ("zqannapicture", "zqannalabel", "zqannatitle", "zqannanote", "zqannaerror", anna.images.id):
        assert mark not in told
    if page in ("train", "runs"):
        assert "There is no run" in told


def test_the_library_knows_nothing_of_another_workspace_either(people: tuple[Person, Person]) -> None:
    from sslviz.embeddings import queries
    from sslviz.errors import UserError

    anna, ben = people
    there = ben.images.workspace
    for name in (anna.images.name, anna.images.id, f"../{anna.images.workspace.name}/sets/{anna.images.id}"):
        with pytest.raises(UserError, match="no image set") as said:
            imagesets.open_set(there, name)
        assert anna.images.name not in (said.value.hint or "")
        with pytest.raises(UserError, match="no image set"):
            imagesets.delete(there, name)
    for id_ in (anna.run.id, f"../../{anna.images.workspace.name}/runs/{anna.run.id}"):
        with pytest.raises(UserError, match="There is no run"):
            runs.open_run(there, id_)
    query = queries.uploaded(anna.images.workspace, "x.jpg", anna.images.jpeg(4))
    assert queries.recall(anna.images.workspace, query.key) is not None
    assert queries.recall(there, query.key) is None
    assert imagesets.open_set(anna.images.workspace, anna.images.name).ids == anna.images.ids


def test_all_of_ones_data_is_deleted_from_its_page(people: tuple[Person, Person]) -> None:
    anna, ben = people
    app = turned_to(opened(anna), "images", {"part": "add"})
    assert "6 of 5,000 images, 1 of 50 runs" in everything(app)
    assert app.button(key="leave")
    leaving = AppTest.from_string(LEAVE, default_timeout=120)  # what the button in the dialog does
    leaving.session_state[visitor.TAB] = anna.token
    leaving.session_state["images"] = anna.images.name
    assert not leaving.run().exception
    assert leaving.session_state[visitor.TAB] == anna.token
    assert "images" not in leaving.session_state
    assert not anna.images.workspace.exists()
    assert "zqanna" not in everything(opened(anna))
    assert len(imagesets.open_set(ben.images.workspace, ben.images.name)) == 5
    assert "zqbertaset" in everything(turned_to(opened(ben), "images", {"part": "look"}))


def test_alone_there_is_no_word_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(monkeypatch)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    told = everything(app.switch_page("pages/images.py").run())
    assert "Everything stays on this machine" in told
    assert "Delete all my data" not in told
