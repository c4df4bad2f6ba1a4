"""Environment variables that other libraries refuse are dropped; valid ones stay."""

import os

import pytest

from scalelaw.files.environment import drop_invalid_epoch, drop_unknown_backend


@pytest.mark.parametrize(
    "value", ["", "abc", "-1", "--5", "1.5", "1e9", "²", "99999999999999999999", "253402300800"]
)
def test_an_epoch_that_is_no_time_is_dropped(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    drop_invalid_epoch()
    assert "SOURCE_DATE_EPOCH" not in os.environ


@pytest.mark.parametrize("value", ["0", "1700000000", "253402300799"])
def test_a_valid_epoch_stays(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    drop_invalid_epoch()
    assert os.environ["SOURCE_DATE_EPOCH"] == value


def test_a_backend_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    drop_unknown_backend()
    assert "MPLBACKEND" not in os.environ
