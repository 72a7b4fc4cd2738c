"""What the environment says about paths and limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslviz import settings
from sslviz.errors import UserError


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLVIZ_HOME", "")
    monkeypatch.setenv("SSLVIZ_STORE_SIDE", "")
    monkeypatch.delenv("SSLVIZ_READY_FOR_JOBS", raising=False)
    assert settings.load() == settings.Settings()


def test_the_home_is_a_full_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Jobs work in another folder than the server that starts them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text in ("~/here", "here", str(tmp_path / "here")):
        monkeypatch.setenv("SSLVIZ_HOME", text)
        assert settings.load().home == tmp_path / "here"


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("SSLVIZ_HOME", "~nobody-of-this-name/h", "nobody here has that name"),
        ("SSLVIZ_STORE_SIDE", "large", "not a number"),
        ("SSLVIZ_MOST_JOBS", "-1", "SSLVIZ_MOST_JOBS is -1"),
        ("SSLVIZ_MOST_MINUTES", "nan", "no amount"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(
    variable: str, text: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(UserError, match=sentence):
        settings.load()
