"""Public sets, with torchvision's data sets played by small ones and no network."""

from __future__ import annotations

import errno
import hashlib
import io
import pickle
import tarfile
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from sslviz import downloads, files, imagesets, ingest, scenes, settings
from sslviz.errors import UserError

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture
def workspace() -> Path:
    return settings.workspace()


@pytest.fixture(autouse=True)
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' disk may be small; the sets of the tests are smaller."""
    monkeypatch.setattr(downloads, "free_bytes", lambda folder: 10**12)


def no_network(*_: object, **__: object) -> None:
    raise urllib.error.URLError("Name or service not known")


def cifar_archive(path: Path) -> dict[str, str]:
    """CIFAR-10 with four images a batch, in the format of the original; digests by name."""
    draw = np.random.default_rng(0)
    digests = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]
        for name in names:
            value: dict[str, Any] = {"label_names": CLASSES}
            if name != "batches.meta":
                pixels = draw.integers(0, 256, (4, 3072), dtype=np.uint8)
                value = {"data": pixels, "labels": draw.integers(0, 10, 4).tolist()}
            data = pickle.dumps(value)
            digests[name] = hashlib.md5(data).hexdigest()
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    digests["archive"] = hashlib.md5(path.read_bytes()).hexdigest()
    return digests


def play_cifar10(monkeypatch: pytest.MonkeyPatch, digests: dict[str, str]) -> None:
    cifar = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar, "tgz_md5", digests["archive"])
    monkeypatch.setattr(
        cifar, "train_list", [[f"data_batch_{n}", digests[f"data_batch_{n}"]] for n in range(1, 6)]
    )
    monkeypatch.setattr(cifar, "test_list", [["test_batch", digests["test_batch"]]])
    monkeypatch.setattr(cifar, "meta", {**cifar.meta, "md5": digests["batches.meta"]})
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", no_network)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops=3: url)


def play_files(monkeypatch: pytest.MonkeyPatch, count: int = 6, seen: list[int] | None = None) -> None:
    """Flowers-102, say, whose "download" writes an archive part by part; with `seen`, to which progress is
    appended, each part only comes when the one before has been seen."""

    class Flowers:
        classes = ("rose", "lily")

        def __init__(self, root: Path, split: str, download: bool, loader: Callable[[str], Any]) -> None:
            self.folder, self.split, self.loader = root / "flowers-102", split, loader
            if download:
                self.folder.mkdir(parents=True, exist_ok=True)
                with (self.folder / "102flowers.tgz").open("wb") as file:
                    for part in range(1, 5):
                        file.truncate(50_000_000 * part)
                        before, until = len(seen or []), time.monotonic() + 30
                        while seen is not None and len(seen) == before and time.monotonic() < until:
                            time.sleep(0.01)
            for number in range(count):
                draw = np.random.default_rng([number, len(split)])
                pixels = draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(self.folder / f"{split}_{number}.jpg")

        def __len__(self) -> int:
            return count

        def __getitem__(self, row: int) -> tuple[Any, int]:
            return self.loader(str(self.folder / f"{self.split}_{row}.jpg")), row % 2

    monkeypatch.setattr(torchvision.datasets, "Flowers102", Flowers)


def play_pets(monkeypatch: pytest.MonkeyPatch, root: Path, trimaps: dict[str, Image.Image | bytes]) -> None:
    """Oxford-IIIT Pet as torchvision lays it out: photographs of 60 × 40 pixels and the `trimaps` given."""

    def arrive(dataset: Any) -> None:
        images, masks = dataset._images_folder, dataset._segs_folder
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        names = [f"Great_Dane_{number}" for number in range(1, 6)]
        for number, name in enumerate(names):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(images / f"{name}.jpg")
        (images / "Great_Dane_1.mat").write_bytes(b"")  # there are some
        for name, trimap in trimaps.items():
            path = masks / f"{name}.png"
            path.write_bytes(trimap) if isinstance(trimap, bytes) else trimap.save(path)
        for part in ("trainval", "test"):
            (masks.parent / f"{part}.txt").write_text("".join(f"{name} 1 2 1\n" for name in names))

    monkeypatch.setattr(torchvision.datasets.OxfordIIITPet, "_download", arrive)


def test_trimaps_of_pets_become_masks_and_boxes(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = np.full((40, 60), 2, np.uint8)
    levels[8:32, 10:50] = 3  # an outline that may be either
    levels[10:30, 12:48] = 1
    turned = Image.fromarray(np.ascontiguousarray(levels.T))
    damaged = b"\x89PNG and nothing behind"
    good = Image.fromarray(levels)
    play_pets(
        monkeypatch,
        workspace,
        {
            "Great_Dane_1": good,
            "Great_Dane_2": damaged,
            "Great_Dane_3": turned,
            "Great_Dane_4": Image.new("L", (60, 40), 2),
        },
    )
    found = downloads.download(workspace, "pets")
    assert len(found) == 5
    assert set(found.labels) == {"Great Dane"}
    expected = np.select([levels == 1, levels == 2], [1, 0], 255)
    assert (found.mask(0) == expected).all()
    assert found.entries[0].box == (12 / 60, 10 / 40, 48 / 60, 30 / 40)
    assert [found.mask(row) is None for row in range(5)] == [False, True, True, False, True]
    assert found.entries[3].box is None  # nothing of the animal in it


def test_a_trimap_shrinks_with_its_picture(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLVIZ_STORE_SIDE", "30")
    levels = np.full((40, 60), 2, np.uint8)
    levels[10:30, 12:48] = 1
    play_pets(monkeypatch, workspace, {f"Great_Dane_{number}": Image.fromarray(levels) for number in (1, 2)})
    found = downloads.download(workspace, "pets")
    assert (found.entries[0].width, found.entries[0].height) == (30, 20)
    mask = found.mask(0)
    assert mask is not None
    assert (mask == (levels[::2, ::2] == 1)).all()  # no number in between


def test_the_catalogue_says_what_one_wants_to_know() -> None:
    assert list(downloads.CATALOGUE) == ["cifar10", "stl10", "imagenette", "pets", "flowers102"]
    for source in downloads.CATALOGUE.values():
        assert source.title
        assert source.megabytes > 50
        assert source.images > 1000
        assert source.classes >= 10
        assert source.licence.endswith(".")
        assert source.home_page.startswith("https://")


def test_the_names_of_all_built_in_sets_are_reserved() -> None:
    assert (scenes.NAME, *downloads.CATALOGUE) == imagesets.RESERVED


def test_a_set_of_ones_own_is_not_taken_for_the_download(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:  # made before the name was reserved
        patch.setattr("sslviz.imagesets.index.RESERVED", ())
        imagesets.create(workspace, "pets")
    for ask in (downloads.download, ingest.resolve):
        with pytest.raises(UserError, match="'pets' holds images of your own") as caught:
            ask(workspace, "pets")
        assert "sslviz images rename pets" in caught.value.hint


def test_cifar10_is_read_by_torchvision_after_its_digests(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.load().home / "downloads" / "cifar10"
    play_cifar10(monkeypatch, cifar_archive(folder / "cifar-10-python.tar.gz"))  # had arrived whole
    (folder / "cifar-10-batches-py").mkdir()  # an earlier attempt was killed while it unpacked
    (folder / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"half")
    found = downloads.download(workspace, "cifar10")
    assert (found.name, len(found), found.builtin) == ("cifar10", 24, True)
    assert sum(name.startswith("train/") for name in found.names) == 20
    assert set(found.labels) <= set(CLASSES)
    first = np.random.default_rng(0).integers(0, 256, (4, 3072), dtype=np.uint8)[0].reshape(3, 32, 32)
    expected = imagesets.images.content_id(np.ascontiguousarray(first.transpose(1, 2, 0)))
    assert found.ids[0] == expected
    assert not folder.exists()
    assert ingest.resolve(workspace, "cifar10").id == found.id
    assert downloads.download(workspace, "cifar10").id == found.id


def test_a_pickle_with_another_digest_is_never_read(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = settings.load().home / "downloads" / "cifar10"
    digests = cifar_archive(folder / "cifar-10-python.tar.gz")
    digests["data_batch_3"] = "0" * 32
    play_cifar10(monkeypatch, digests)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(UserError, match="The download of CIFAR-10 is damaged"):
        downloads.download(workspace, "cifar10")
    assert imagesets.names(workspace) == []


def test_files_are_read_where_they_lie_and_progress_is_what_has_arrived(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    play_files(monkeypatch, seen=seen)
    found = downloads.download(workspace, "flowers102", lambda done, total: seen.append(done))
    assert len(found) == 18
    assert found.label_counts() == {"lily": 9, "rose": 9}
    assert seen == sorted(seen)
    assert len([done for done in seen if 0 < done < 700]) >= 2
    assert seen[-1] <= 1000


def test_offline_is_one_sentence_and_nothing_is_left(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", no_network)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", no_network)
    for name, source in downloads.CATALOGUE.items():
        with pytest.raises(UserError) as caught:
            downloads.download(workspace, name)
        assert (
            caught.value.message == f"{source.title} could not be downloaded: its server cannot be reached."
        )
        assert "connection" in caught.value.hint
    assert imagesets.names(workspace) == []


FAILURES = {
    "missing": (urllib.error.HTTPError("http://x", 404, "Not Found", None, None), "its server answered 404"),  # type: ignore[arg-type]
    "slow": (TimeoutError("timed out"), "its server cannot be reached"),
    "reset": (ConnectionResetError(), "its server cannot be reached"),
    "wrong digest": (
        RuntimeError("File not found or corrupted."),
        "The download of Oxford Flowers 102 is damaged",
    ),
    "bad tar": (tarfile.ReadError("unexpected end of data"), "The download of Oxford Flowers 102 is damaged"),
    "full": (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: this needs"),
    "gone": (FileNotFoundError("x.mat"), "The download of Oxford Flowers 102 is not complete"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_goes_wrong_is_a_sentence(case: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, sentence = FAILURES[case]

    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets, "Flowers102", failing)
    with pytest.raises(UserError) as caught:
        downloads.download(workspace, "flowers102")
    assert sentence in caught.value.message
    assert imagesets.names(workspace) == []


def test_a_disk_too_small_is_told_before_anything_is_fetched(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "free_bytes", lambda folder: 10**8)
    monkeypatch.setattr(files, "free_bytes", lambda folder: 10**8)
    monkeypatch.setattr(torchvision.datasets, "STL10", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(UserError, match=r"this needs 7,923 MB, and 100 MB are free"):
        downloads.download(workspace, "stl10")


def test_a_download_can_be_cancelled_while_it_waits(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_files(monkeypatch)

    class StoppedError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        downloads.download(workspace, "flowers102", cancel)
    assert imagesets.names(workspace) == []
    assert (settings.load().home / "downloads" / "flowers102").is_dir()  # for the next attempt


def test_an_unknown_name_is_a_sentence(workspace: Path) -> None:
    with pytest.raises(UserError, match="no public set called 'mnist'") as caught:
        downloads.download(workspace, "mnist")
    assert "cifar10, stl10" in caught.value.hint
