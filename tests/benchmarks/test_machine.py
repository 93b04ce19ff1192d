from benchmarks.machine import memory_gb, model_name, stamp


def test_the_processor_is_the_first_that_is_named() -> None:
    assert model_name("processor\t: 0\nmodel name\t: AMD EPYC 7B13\nmodel name\t: other\n") == "AMD EPYC 7B13"
    assert model_name("").startswith("unknown")


def test_memory_is_in_gb() -> None:
    assert memory_gb("MemTotal:       16777216 kB\nMemFree: 1 kB\n") == 16
    assert memory_gb("") == 0


def test_the_stamp_names_what_the_figures_depend_on() -> None:
    assert all(word in stamp() for word in ("commit", "cores of", "GB", "aiohttp", "onnxruntime", "wrk"))
