"""A piece of work is named by all that determines its result."""

from pathlib import Path

import pytest

from scalelaw.sweep import fingerprint


def test_a_change_of_a_built_in_plug_in_is_a_change_of_what_it_makes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "scenes.py").write_text("relations = 64\n")
    (folder / "_drawing.py").write_text("size = 32\n")
    (folder / "__init__.py").write_text('"""A label."""\n')
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    before = fingerprint.plugin_content("datasets", "scenes")
    (folder / "__init__.py").write_text('"""Another label."""\n')
    (folder / "others.py").write_text("x = 1\n")
    assert fingerprint.plugin_content("datasets", "scenes") == before
    (folder / "scenes.py").write_text("relations = 48\n")
    changed = fingerprint.plugin_content("datasets", "scenes")
    assert changed != before
    (folder / "_drawing.py").write_text("size = 48\n")
    assert fingerprint.plugin_content("datasets", "scenes") != changed
    assert fingerprint.plugin_content("datasets", "of_an_installed_package") == "of_an_installed_package"
