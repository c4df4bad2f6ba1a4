import subprocess
import sys
from pathlib import Path

import pytest

from scalelaw import plugins
from scalelaw.errors import InputError


@pytest.mark.parametrize("package", plugins.PACKAGES)
def test_every_plug_in_is_listed_with_a_line_that_says_what_it_is(package: str) -> None:
    assert plugins.names(package), f"the package {package} is empty"
    for name in plugins.names(package):
        assert len(plugins.summary(package, name)) > 10


@pytest.mark.parametrize("package", plugins.PACKAGES)
def test_the_package_docstring_says_what_its_plug_ins_are_and_the_file_has_no_code(package: str) -> None:
    label = (plugins.folder(package) / "__init__.py").read_text().strip()
    assert label.startswith('"""')
    assert label.endswith('"""')


def test_listing_imports_nothing() -> None:
    code = "import sys; from scalelaw import plugins; [plugins.names(d) for d in plugins.PACKAGES];"
    code += "[plugins.summary(d, n) for d in plugins.PACKAGES for n in plugins.names(d)];"
    code += "print([m for m in sys.modules if m in ('torch', 'pandas', 'scipy') or m.startswith('scalelaw.laws.')])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="Did you mean 'product_power'") as caught:
        plugins.load("laws", "product_powr")
    assert "additive_power" in caught.value.hint


def test_a_users_own_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "my_law.py"
    file.write_text('"""Mine."""\nformula = "a x"\n')
    assert plugins.load("laws", str(file)).formula == "a x"


@pytest.mark.parametrize(("text", "message"), [("def (", "SyntaxError"), ("1/0", "ZeroDivisionError")])
def test_a_file_that_does_not_load_is_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        plugins.load("laws", str(file))


def test_a_file_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(InputError, match="no file"):
        plugins.load("laws", "nowhere/law.py")
