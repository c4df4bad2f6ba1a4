"""Rates and energy, with counters that are made here."""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from scalelaw.vlm import meter
from scalelaw.vlm.meter import Energy, Meter, peak_flops, rates

CPU = torch.device("cpu")


def rapl(folder: Path, *joules: float) -> None:
    for package, value in enumerate(joules):
        zone = folder / f"intel-rapl:{package}"
        zone.mkdir(exist_ok=True)
        (zone / "energy_uj").write_text(f"{int(value * 1e6)}\n")
        (zone / "max_energy_range_uj").write_text("100000000\n")
    core = folder / "intel-rapl:0:0"  # a part of the first package
    core.mkdir(exist_ok=True)
    (core / "energy_uj").write_text("77\n")


def test_the_counters_of_all_packages_and_when_they_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "RAPL", tmp_path)
    rapl(tmp_path, 10, 90)
    energy = Energy(CPU)
    rapl(tmp_path, 12, 95)
    assert energy.spent() == pytest.approx(7)
    rapl(tmp_path, 13, 4)  # 100 J, then from 0 again
    assert energy.spent() == pytest.approx(1 + 9)


@pytest.mark.parametrize("text", ["", "no number"])
def test_a_device_that_does_not_tell_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(meter, "RAPL", tmp_path)
    if text:
        rapl(tmp_path, 1)
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(text)
    state: dict[str, Any] = {}
    clock = Meter(state, CPU)
    clock.tick()
    assert math.isnan(state["train_j"])
    assert rates(1.0, state, 1, CPU)["energy_j"] is None


class Driver:
    """NVML with one card, which has taken 5,000 J and 250 more each time it is asked."""

    def __init__(self, works: bool = True) -> None:
        self.millijoules, self.error = 5_000_000, 0 if works else 3

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByUUID(self, name: bytes, handle: Any) -> int:
        assert name == b"GPU-1234"
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, value: Any) -> int:
        value._obj.value = self.millijoules
        self.millijoules += 250_000
        return self.error


def test_a_card_is_asked_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1234"))
    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    energy = Energy(torch.device("cuda", 0))
    assert [energy.spent(), energy.spent()] == [250, 250]
    driver.error = 3
    assert math.isnan(energy.spent())


def test_a_machine_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", none)
    assert math.isnan(Energy(torch.device("cuda", 0)).spent())


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA H200", 989),
        ("NVIDIA B200", 2250),
        ("AMD Instinct MI300X OAM", 1307),
    ],
)
def test_the_peak_of_a_known_card(monkeypatch: pytest.MonkeyPatch, name: str, tera: float) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops(torch.device("cuda", 0)) == tera * 1e12


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA GeForce RTX 9090",
        "NVIDIA GH200 480GB",
        "NVIDIA GB200",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        "NVIDIA A10",
        "NVIDIA L40",
        "",
    ],
)
def test_the_peak_of_an_unknown_card_is_not_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    card = torch.device("cuda", 0)
    assert peak_flops(card) is None
    assert rates(6e12, {"train_s": 3.0, "train_j": 50.0}, 900, card)["mfu"] is None


def test_rates_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1e8 < (peak_flops(CPU) or 0) < 1e14
    monkeypatch.setattr(meter, "peak_flops", lambda device: 1e12)
    measured = rates(6e12, {"train_s": 3.0, "train_j": 50.0}, 900, CPU, devices=4)
    assert measured == {"tokens_per_s": 300.0, "mfu": 0.5, "energy_j": 50.0}


def test_a_run_that_goes_on_adds_to_what_its_checkpoint_holds() -> None:
    state: dict[str, Any] = {}
    clock = Meter(state, CPU)
    state.update(train_s=100.0)
    clock.tick()
    assert 100 < state["train_s"] < 101
