"""GPUs as NVML tells them: there may be none, one may tell little, and one may be lost and come back while we look."""

from __future__ import annotations

import pynvml
import pytest

from tekton._gpus import AGAIN_AFTER, Gpus
from tekton.core.machine import GpuProcess
from tests.support.fake_nvml import GB, FakeGpu, FakeNvml


class Clock:
    """Stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def gpus_of(nvml: FakeNvml, clock: Clock | None = None) -> Gpus:
    """Read this NVML."""
    return Gpus(lambda: nvml, clock or Clock())


def test_a_gpu_is_told_with_everything_that_it_tells() -> None:
    """Utilisation, memory, temperature, and who uses it."""
    nvml = FakeNvml(FakeGpu(processes={41: 2 * GB, 42: None}), FakeGpu(uuid="GPU-2", name="Another"))
    first, second = gpus_of(nvml).read()
    assert (first.id, first.name, first.uuid, first.busy_ratio, first.celsius) == (
        0,
        "NVIDIA RTX 4090",
        "GPU-1",
        0.45,
        65,
    )
    assert (first.total_bytes, first.used_bytes, first.free_bytes, first.lost) == (24 * GB, 4 * GB, 20 * GB, False)
    assert first.processes == (GpuProcess(41, 2 * GB), GpuProcess(42, None))
    assert (second.id, second.name) == (1, "Another")


@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_NO_PERMISSION]
)
def test_no_gpu_and_no_driver_are_usual(error: int) -> None:
    """The note says why, and the driver is asked again only after a while: it may be loaded later."""
    clock, nvml = Clock(), FakeNvml(FakeGpu(), init=error)
    gpus = gpus_of(nvml, clock)
    assert gpus.read() == () and "no NVIDIA GPU can be read" in gpus.note
    nvml.init = None
    assert gpus.read() == (), "not asked at every reading"
    clock.now += AGAIN_AFTER
    assert len(gpus.read()) == 1 and gpus.note == ""


def test_without_the_library_that_speaks_nvml_there_are_none() -> None:
    """The plain SDK has none; it says what to install."""

    def load() -> object:
        raise ImportError("no module")

    gpus = Gpus(load, Clock())
    assert gpus.read() == () and "install tekton[gpu]" in gpus.note


def test_this_machine_can_be_asked() -> None:
    """The real library, whatever the machine has."""
    gpus = Gpus()
    found = gpus.read()
    assert found or gpus.note
    gpus.close()


@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND]
)
@pytest.mark.parametrize("what", ["Name", "Utilization", "Memory", "Temperature", "Processes"])
def test_a_figure_that_a_gpu_does_not_tell_is_not_known_and_the_rest_is(what: str, error: int) -> None:
    """As with GPUs that are cut into instances, or where somebody may not ask."""
    (found,) = gpus_of(FakeNvml(FakeGpu(fails={what: error}, processes={1: 1}))).read()
    assert not found.lost
    told = {"Name": found.name, "Utilization": found.busy_ratio, "Memory": found.used_bytes,
            "Temperature": found.celsius, "Processes": found.processes}  # fmt: skip
    assert not told.pop(what) and all(told.values())


@pytest.mark.parametrize("what", ["Handle", "Memory", "Utilization", "Temperature"])
@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_UNKNOWN]
)
def test_a_gpu_that_is_lost_while_we_look_is_told_as_lost_and_the_others_go_on(what: str, error: int) -> None:
    """By the name it had; after a reset, NVML is begun anew and it is back."""
    clock, broken, well = Clock(), FakeGpu(), FakeGpu(uuid="GPU-2")
    nvml = FakeNvml(broken, well)
    gpus = gpus_of(nvml, clock)
    assert [gpu.lost for gpu in gpus.read()] == [False, False]
    clock.now += AGAIN_AFTER
    broken.fails = {what: error}
    first, second = gpus.read()
    assert (first.lost, first.id, first.name, first.uuid, first.used_bytes) == (
        True,
        0,
        "NVIDIA RTX 4090",
        "GPU-1",
        None,
    )
    assert (second.lost, second.used_bytes) == (False, 4 * GB)
    broken.fails = {}
    assert [gpu.lost for gpu in gpus.read()] == [False, False]
    assert (nvml.begun, nvml.ended) == (2, 1)


def test_nvml_is_not_begun_anew_at_every_reading_while_a_gpu_stays_lost() -> None:
    """That takes a while in the driver."""
    clock, nvml = Clock(), FakeNvml(FakeGpu(fails={"": pynvml.NVML_ERROR_GPU_IS_LOST}), FakeGpu(uuid="GPU-2"))
    gpus = gpus_of(nvml, clock)
    for _ in range(20):
        assert [gpu.lost for gpu in gpus.read()] == [True, False]
        clock.now += AGAIN_AFTER / 10
    assert nvml.begun <= 3


def test_a_gpu_that_the_driver_does_not_list_any_more_is_lost() -> None:
    """It was there, and nobody took it out on purpose as far as we know."""
    nvml = FakeNvml(FakeGpu(), FakeGpu(uuid="GPU-2", name="Other"))
    gpus = gpus_of(nvml)
    gpus.read()
    del nvml.gpus[1]
    first, second = gpus.read()
    assert (first.uuid, first.lost, second.uuid, second.name, second.lost) == ("GPU-1", False, "GPU-2", "Other", True)


@pytest.mark.parametrize(
    "error", [pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_UNKNOWN]
)
def test_a_driver_that_is_unloaded_takes_all_gpus_with_it_until_it_is_back(error: int) -> None:
    """Nothing fails; the note says why."""
    clock, nvml = Clock(), FakeNvml(FakeGpu())
    gpus = gpus_of(nvml, clock)
    gpus.read()
    nvml.gone = error
    (found,) = gpus.read()
    assert found.lost and found.name == "NVIDIA RTX 4090" and "does not answer any more" in gpus.note
    nvml.gone = None
    assert gpus.read()[0].lost, "it gets its time"
    clock.now += AGAIN_AFTER
    assert not gpus.read()[0].lost and gpus.note == ""


def test_gpus_keep_their_numbers_when_the_driver_counts_anew() -> None:
    """Where one falls off the bus, those behind it move up at the driver's; alarms and metrics go by the number."""
    clock, gone = Clock(), FakeGpu()
    nvml = FakeNvml(gone, FakeGpu(uuid="GPU-2"), FakeGpu(uuid="GPU-3"))
    gpus = gpus_of(nvml, clock)

    def told() -> list[tuple[int, str, bool]]:
        return [(gpu.id, gpu.uuid, gpu.lost) for gpu in gpus.read()]

    assert told() == [(0, "GPU-1", False), (1, "GPU-2", False), (2, "GPU-3", False)]
    del nvml.gpus[0]
    assert told() == [(0, "GPU-1", True), (1, "GPU-2", False), (2, "GPU-3", False)]
    nvml.gpus[1].fails = {"": pynvml.NVML_ERROR_GPU_IS_LOST}
    assert told() == [(0, "GPU-1", True), (1, "GPU-2", False), (2, "GPU-3", True)]
    nvml.gpus[1].fails = {}
    nvml.gpus.insert(0, FakeGpu(uuid="GPU-4"))
    assert told() == [(0, "GPU-1", True), (1, "GPU-2", False), (2, "GPU-3", False), (3, "GPU-4", False)]
    nvml.gpus[0] = gone
    assert told() == [(0, "GPU-1", False), (1, "GPU-2", False), (2, "GPU-3", False), (3, "GPU-4", True)]


def test_two_gpus_that_are_new_or_fail_at_first_have_two_numbers() -> None:
    """One that has never told its uuid has a free number."""
    nvml = FakeNvml(*(FakeGpu(uuid=f"GPU-{one}", fails={"": pynvml.NVML_ERROR_UNKNOWN}) for one in range(2)))
    gpus = gpus_of(nvml)
    assert [(gpu.id, gpu.lost) for gpu in gpus.read()] == [(0, True), (1, True)]


@pytest.mark.parametrize("where", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetName", "nvmlShutdown"])
def test_a_driver_may_fail_in_any_way(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is no error of NVML's as well: nobody's other figures fail with it."""
    clock, nvml = Clock(), FakeNvml(FakeGpu())
    gpus = gpus_of(nvml, clock)
    if where != "nvmlInit":
        gpus.read()
    clock.now += AGAIN_AFTER

    def fail(*_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr(nvml, where, fail)
    if where == "nvmlShutdown":
        nvml.gone = pynvml.NVML_ERROR_UNKNOWN
    assert all(gpu.lost for gpu in gpus.read()) and "invalid start byte" in gpus.note
    monkeypatch.undo()
    nvml.gone = None
    clock.now += AGAIN_AFTER
    assert [gpu.lost for gpu in gpus.read()] == [False]
