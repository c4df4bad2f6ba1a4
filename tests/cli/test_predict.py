"""The commands predict and plot."""

import pytest


def test_predict_gives_places_in_full_precision(answer, fit_file):
    code, reply, _ = answer("predict", str(fit_file), "--at", "n_params=7e9", "--at", "visual_tokens=64,144")
    assert code == 0
    assert reply["schema"] == "scalelaw.predict/1"
    assert [place["visual_tokens"] for place in reply["data"]["places"]] == [64, 144]
    assert reply["data"]["places"][0]["error"] == pytest.approx(0.483266, abs=1e-5)


def test_predict_reads_places_from_a_csv(answer, fit_file, tmp_path):
    places = tmp_path / "places.csv"
    places.write_text("visual_tokens,n_params\n64,7e9\n1152,7e9\n")
    code, reply, _ = answer("predict", str(fit_file), "--at", str(places))
    assert code == 0
    assert reply["data"]["places"][1]["extrapolation"] == {"visual_tokens": 2.0}
    assert [w["code"] for w in reply["warnings"]] == ["extrapolates"]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ((), "usage"),
        (("--at", "n_params=7e9"), "missing_input"),
        (("--at", "n_params=7b", "--at", "visual_tokens=1"), "usage"),
        (("--at", "n_params=7e9", "--at", "tokens=1"), "unknown_input"),
        (("--at", "none.csv"), "no_such_file"),
        (("--at", "none.csv", "--at", "n_params=7e9"), "usage"),
        (("--at", "n_params=7e9", "--at", "visual_tokens=1", "--level", "95"), "bad_value"),
    ],
)
def test_predict_refuses_with_a_code(answer, fit_file, terms, code):
    exit_code, reply, _ = answer("predict", str(fit_file), *terms)
    assert exit_code == 2
    assert reply["error"]["code"] == code


@pytest.mark.parametrize(("suffix", "begins"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_plot_writes_one_figure_in_each_format(answer, fit_file, tmp_path, suffix, begins):
    path = tmp_path / f"figure.{suffix}"
    code, reply, _ = answer("plot", str(fit_file), "--figure", "curves", "--size", "5x4", "-o", str(path))
    assert code == 0
    assert reply["data"] == {"figure": "curves", "path": str(path), "items": [str(fit_file)]}
    assert path.read_bytes().startswith(begins)


def test_the_size_of_a_plot_is_in_inches(run, fit_file, tmp_path):
    path = tmp_path / "figure.png"
    assert run("plot", str(fit_file), "--size", "5x4", "--dpi", "50", "-o", str(path))[0] == 0
    header = path.read_bytes()[16:24]
    assert (int.from_bytes(header[:4]), int.from_bytes(header[4:])) == (250, 200)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--figure", "pie", "-o", "a.pdf"), "unknown_figure"),
        (("--figure", "front", "-o", "a.pdf"), "nothing_to_draw"),
        (("-o", "a.gif"), "unknown_figure_format"),
        (("--size", "5", "-o", "a.pdf"), "usage"),
        (("--size", "0x900", "-o", "a.pdf"), "usage"),
    ],
)
def test_plot_refuses_with_a_code(answer, fit_file, tmp_path, monkeypatch, options, code):
    monkeypatch.chdir(tmp_path)
    exit_code, reply, _ = answer("plot", str(fit_file), *options)
    assert exit_code == 2
    assert reply["error"]["code"] == code
    assert not list(tmp_path.iterdir())
