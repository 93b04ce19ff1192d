from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from server.config import Config, ConfigError, LocalSettings, RemoteSettings, load_config, warnings_of

SMALL = """
[backends.forest]
model = "cancer/forest@champion"
[backends.logreg]
model = "cancer/logreg"
[ensembles.cancer]
members = ["forest", "logreg"]
"""

REMOTE = """
[backends.far]
url = "http://10.0.0.5:8000/"
model = "xgb"
features = ["mean radius", "mean texture"]
labels = ["malignant", "benign"]
"""


def load(
    folder: Path, text: str, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> Config:
    path = folder / "chorus.toml"
    path.write_text(text)
    return load_config(path, overrides or {}, environ or {})


def mistakes(
    folder: Path, text: str, overrides: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None
) -> list[str]:
    """What is wrong, without the folder's name."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, overrides, environ)
    assert "\n".join(caught.value.mistakes) == str(caught.value)
    return [line.replace(f"{folder}/", "") for line in caught.value.mistakes]


def in_small(folder: Path, more: str) -> list[str]:
    """What is wrong with `more` in the ensemble of the small configuration."""
    return mistakes(folder, SMALL + more)


def test_a_small_file_is_completed_with_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, SMALL)
    assert (config.server.host, config.server.port, config.server.loop) == ("127.0.0.1", 8080, "uvloop")
    assert (config.server.max_timeout_ms, config.server.max_body_bytes, config.server.access_log) == (60e3, 2**24, True)
    assert config.backends["forest"] == LocalSettings(model="cancer/forest@champion", limit=32, queue=64)
    ensemble = config.ensembles["cancer"]
    assert (ensemble.members, ensemble.timeout_ms, ensemble.linger_ms) == (("forest", "logreg"), 1000, 10)
    assert (ensemble.rule, ensemble.quorum, ensemble.early, ensemble.weights) == (None, None, None, {})


def test_everything_can_be_said(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        [server]
        host = "::1"
        port = 0
        default = "far"
        max_timeout_ms = 500
        max_body_bytes = 1000
        access_log = false
        loop = "asyncio"
        [registry]
        path = "models"
        [debug]
        enabled = false
        [backends.near]
        model = "cancer/forest"
        inline = true
        threads = 4
        timeout_ms = 50.5
        limit = 1
        queue = 0
        [backends.far]
        url = "https://models.example:8443/base/"
        model = "xgb"
        features = ["a", "b"]
        labels = ["yes", "no"]
        input = "x"
        output = "p"
        temperature = 1.5
        [ensembles."of.two"]
        members = ["near", "far"]
        rule = "soft"
        quorum = 1
        quorum_weight = 0.5
        weights = { near = 2, far = 0.5 }
        required = ["near"]
        early = true
        linger_ms = 5
        """,
    )
    assert config.default == "far"
    assert config.registry.path == str(tmp_path / "models")
    assert config.backends["near"] == LocalSettings(
        model="cancer/forest", inline=True, threads=4, timeout_ms=50.5, limit=1, queue=0
    )
    far = config.backends["far"]
    assert isinstance(far, RemoteSettings)
    assert (far.url, far.input, far.output) == ("https://models.example:8443/base", "x", "p")
    assert config.ensembles["of.two"].weights == {"near": 2.0, "far": 0.5}


def test_a_configuration_survives_json(tmp_path: Path) -> None:
    config = load(tmp_path, SMALL + REMOTE)
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_the_default_is_the_first_ensemble_else_the_first_backend(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL).default == "cancer"
    assert load(tmp_path, REMOTE).default == "far"


def test_debug_routes_are_on_for_loopback_only_unless_configured(tmp_path: Path) -> None:
    for host, on in {"127.0.0.1": True, "127.8.8.8": True, "::1": True, "localhost": True, "0.0.0.0": False}.items():
        assert load(tmp_path, SMALL, {"host": host}).debug_enabled is on
    assert not load(tmp_path, SMALL, {"host": "models.example"}).debug_enabled
    assert load(tmp_path, SMALL + "[debug]\nenabled = true", {"host": "0.0.0.0"}).debug_enabled
    assert not load(tmp_path, SMALL + "[debug]\nenabled = false").debug_enabled


def test_the_command_line_comes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    text, environ = "[server]\nport = 1\n" + SMALL, {"CHORUS_PORT": "2"}
    assert load(tmp_path, SMALL).server.port == 8080
    assert load(tmp_path, text).server.port == 1
    assert load(tmp_path, text, {}, environ).server.port == 2
    assert load(tmp_path, text, {"port": 3, "host": None}, environ).server.port == 3


def test_every_field_of_the_server_can_come_from_the_environment(tmp_path: Path) -> None:
    environ = {
        "CHORUS_HOST": "0.0.0.0",
        "CHORUS_PORT": "80",
        "CHORUS_DEFAULT": "forest",
        "CHORUS_MAX_TIMEOUT_MS": "12.5",
        "CHORUS_MAX_BODY_BYTES": "7",
        "CHORUS_ACCESS_LOG": "false",
        "CHORUS_LOOP": "asyncio",
        "CHORUS_FRONTS": "3",
        "CHORUS_MAX_CONNECTIONS": "100",
        "CHORUS_HUNG_MS": "0",
        "CHORUS_MIN_IN_FLIGHT": "2",
        "CHORUS_MAX_IN_FLIGHT": "20",
        "CHORUS_BROWN_OUT": "false",
        "CHORUS_HEADER_TIMEOUT_MS": "1",
        "CHORUS_BODY_TIMEOUT_MS": "2",
        "CHORUS_WRITE_TIMEOUT_MS": "3",
        "CHORUS_MAX_BODIES_BYTES": "70",
        "CHORUS_MAX_MEMORY_BYTES": "700",
        "CHORUS_SOMETHING_ELSE": "is not ours",
    }
    server = load(tmp_path, SMALL, {}, environ).server
    expected = ("0.0.0.0", 80, "forest", 12.5, 7, False, "asyncio", 3, 100, 0.0, 2, 20, False, 1, 2, 3, 70, 700)
    assert msgspec.structs.astuple(server) == expected


def test_the_number_of_fronts_can_be_said_as_web_servers_do(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL, {}, {"CHORUS_WORKERS": "2"}).server.fronts == 2
    assert load(tmp_path, SMALL, {}, {"CHORUS_WORKERS": "2", "CHORUS_FRONTS": "3"}).server.fronts == 3
    assert mistakes(tmp_path, SMALL, {"fronts": 65}) == ["--workers: expected an integer from 1 to 64, got 65"]
    assert mistakes(tmp_path, SMALL, {}, {"CHORUS_WORKERS": "many"}) == [
        "CHORUS_WORKERS: expected an integer from 1 to 64, got 'many'"
    ]


def test_who_says_workers_in_the_file_is_told_the_word(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "[server]\nworkers = 2\n" + SMALL)
    assert mistake.endswith("[server] workers: it is called fronts here; a worker is a process that holds a model")


def test_a_process_is_given_longer_than_a_heartbeat(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "[server]\nhung_ms = 400\n" + SMALL)
    assert mistake.endswith("hung_ms: expected 0, or at least 1000: a sign of life comes twice a second")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("min_in_flight = 9\nmax_in_flight = 8", "min_in_flight: 9 is more than max_in_flight, 8"),
        ("max_body_bytes = 70_000_000", "max_body_bytes: 70000000 is more than max_bodies_bytes, 67108864"),
    ],
)
def test_bounds_are_in_order(tmp_path: Path, keys: str, expected: str) -> None:
    (mistake,) = mistakes(tmp_path, f"[server]\n{keys}\n" + SMALL)
    assert mistake.endswith(expected)


def test_what_cannot_be_shared_among_the_fronts_is_said(tmp_path: Path) -> None:
    text = "[server]\nfronts = 3\n" + REMOTE + "limit = 2\nthrottle = { rate = 2, period_s = 1 }\n"
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.endswith("throttle: a rate of 2 cannot be shared by 3 fronts; take more of a longer period_s")
    (warning,) = warnings_of(load(tmp_path, text.replace("rate = 2", "rate = 3")))
    assert warning.endswith("limit: 2 cannot be shared by 3 fronts; each of them may have one call under way")


def test_the_registry_of_the_file_is_relative_to_the_file_and_a_given_one_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    text = SMALL + '[registry]\npath = "models"'
    assert load(tmp_path, SMALL).registry.path == str(tmp_path / ".chorus/registry")
    assert load(tmp_path, text).registry.path == str(tmp_path / "models")
    assert load(tmp_path, text, {}, {"CHORUS_REGISTRY": "other"}).registry.path == str(here / "other")
    assert load(tmp_path, text, {"registry": Path("third")}).registry.path == str(here / "third")


def test_a_file_named_without_a_folder_has_an_absolute_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chorus.toml").write_text(SMALL)
    assert load_config(Path("chorus.toml"), environ={}).registry.path == str(tmp_path / ".chorus/registry")


def test_a_wrong_value_names_the_variable_or_the_option_it_came_from(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL, {"loop": "uvlop"}, {"CHORUS_PORT": "http", "CHORUS_DEFAULT": "forst"}) == [
        "CHORUS_PORT: expected an integer from 0 to 65535, got 'http'",
        "--loop: expected 'uvloop' or 'asyncio', got 'uvlop'; did you mean 'uvloop'?",
        "CHORUS_DEFAULT: unknown name 'forst'; did you mean 'forest'?",
    ]
    assert mistakes(tmp_path, SMALL, {"max_timeout_ms": 0, "host": ""}) == [
        "--max-timeout-ms: expected positive milliseconds, at most a day, got 0",
        "--host: expected a string that is not empty, got ''",
    ]


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    words = r"^no chorus.toml here \(.*\); name one with --config, or write one: chorus init$"
    with pytest.raises(ConfigError, match=words):
        load_config(tmp_path / "chorus.toml", environ={})


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a directory$"):
        load_config(tmp_path, environ={})
    path = tmp_path / "chorus.toml"
    path.write_bytes(b'[server]\nhost = "\xff"\n')
    with pytest.raises(ConfigError, match=r"chorus.toml: line 2: not UTF-8$"):
        load_config(path, environ={})


def test_bad_toml_gives_the_line(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "[server]\nport = = 3\n") == ["chorus.toml: line 2, column 8: invalid value"]
    assert mistakes(tmp_path, "a = 1\na = 2")[0].endswith("cannot overwrite a value")


def test_a_byte_order_mark_is_not_a_mistake(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + SMALL).default == "cancer"


def test_unknown_keys_and_tables_name_the_one_that_was_meant(tmp_path: Path) -> None:
    text = "port = 80\n[sever]\n[server]\nprot = 80\n" + SMALL + 'linger = 3\n[backends.typo]\nulr = "x"\nmodel = "m"'
    assert mistakes(tmp_path, text) == [
        "chorus.toml: port: unknown key; it belongs under [server]",
        "chorus.toml: [sever]: unknown table; did you mean 'server'?",
        "chorus.toml: [server] prot: unknown key; did you mean 'port'?",
        "chorus.toml: [backends.typo] ulr: unknown key; did you mean 'url'?",
        "chorus.toml: [ensembles.cancer] linger: unknown key; did you mean 'linger_ms'?",
    ]


def test_the_tag_of_the_json_form_is_no_key_of_the_file(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL + '[backends.x]\nmodel = "m"\nkind = "local"') == [
        "chorus.toml: [backends.x] kind: unknown key"
    ]


def test_a_wrong_type_says_what_is_expected_and_what_was_found(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "[server]\nport = true\naccess_log = 1\nhost = 2020-01-01\ndebug = 3\n" + SMALL) == [
        "chorus.toml: [server] port: expected an integer from 0 to 65535, got true",
        "chorus.toml: [server] access_log: expected true or false, got 1",
        "chorus.toml: [server] host: expected a string that is not empty, got datetime.date(2020, 1, 1)",
        "chorus.toml: [server] debug: unknown key",
    ]
    assert mistakes(tmp_path, "server = 3\nensembles = 4\n[backends]\nforest = 3") == [
        "chorus.toml: [server]: expected a table, got 3",
        "chorus.toml: [backends.forest]: expected a table, got 3",
        "chorus.toml: ensembles: expected tables [ensembles.NAME]",
    ]


def test_a_wrong_entry_of_a_list_or_table_is_named(tmp_path: Path) -> None:
    assert in_small(tmp_path, 'required = ["forest", 7]\nweights = { forest = "2", logreg = nan }') == [
        "chorus.toml: [ensembles.cancer] required[1]: expected a string that is not empty, got 7",
        "chorus.toml: [ensembles.cancer] weights.forest: expected a positive number, at most 1e9, got '2'",
        "chorus.toml: [ensembles.cancer] weights.logreg: expected a positive number, at most 1e9, got nan",
    ]
    assert in_small(tmp_path, 'weights = [1, 2]\nrequired = "forest"') == [
        "chorus.toml: [ensembles.cancer] weights: expected a table, got [1, 2]",
        "chorus.toml: [ensembles.cancer] required: expected a list, got 'forest'",
    ]


def test_a_long_value_is_cut_and_stays_on_its_line(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, "[server]\nport = " + '"' + "\\n\\u202e" * 500 + '"\n' + SMALL)
    assert len(line) < 200
    assert line.isprintable()


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "1e300", '"5"', "true"])
def test_durations_are_positive_and_finite(tmp_path: Path, value: str) -> None:
    expects = f"expected positive milliseconds, at most a day, got {value.replace(chr(34), chr(39))}"
    assert in_small(tmp_path, f"timeout_ms = {value}") == [
        f"chorus.toml: [ensembles.cancer] timeout_ms: {expects}".replace("1e300", "1e+300")
    ]


def test_a_backend_is_of_the_registry_or_has_a_url(tmp_path: Path) -> None:
    text = '[backends.a]\nmodel = "m"\nlabels = ["x"]\n[backends.b]\nurl = "http://h"\nthreads = 2\n[backends.c]\n'
    assert mistakes(tmp_path, text) == [
        "chorus.toml: [backends.a] labels: only for a backend with a url",
        "chorus.toml: [backends.b] threads: not for a backend with a url",
        "chorus.toml: [backends.b] model: missing; expected the name of a model",
        "chorus.toml: [backends.b] features: missing; expected a list",
        "chorus.toml: [backends.c] model: missing; expected the name of a model",
    ]


def test_a_remote_classifier_needs_the_order_of_its_labels_and_a_regressor_has_none(tmp_path: Path) -> None:
    table = "chorus.toml: [backends.far]"
    assert mistakes(tmp_path, REMOTE.replace('["malignant", "benign"]', '["benign", "benign", "x"]')) == [
        f"{table} labels: 'benign' is there twice"
    ]
    assert mistakes(tmp_path, REMOTE.replace('["malignant", "benign"]', "[]")) == [
        f"{table} labels: a classifier needs at least two, in the order of its probabilities"
    ]
    assert mistakes(tmp_path, REMOTE + 'task = "regression"\ntemperature = 2') == [
        f"{table} labels: not for regression",
        f"{table} temperature: not for regression",
    ]


def test_a_remote_regressor_answers_with_predictions(tmp_path: Path) -> None:
    text = REMOTE.replace('labels = ["malignant", "benign"]', 'task = "regression"')
    far = load(tmp_path, text).backends["far"]
    assert isinstance(far, RemoteSettings)
    assert far.output == "predictions"


@pytest.mark.parametrize(
    "url", ["10.0.0.5:8000", "ftp://h", "http://:80", "http://h:99999", "http://h?x=1", "http://[x"]
)
def test_a_url_is_the_address_of_a_server(tmp_path: Path, url: str) -> None:
    (line,) = mistakes(tmp_path, REMOTE.replace("http://10.0.0.5:8000/", url))
    assert line.startswith("chorus.toml: [backends.far] url: ")
    assert line.endswith(f"got '{url}'")


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, REMOTE.replace("10.0.0.5", "me:secret@10.0.0.5"))
    assert "password" in line
    assert "secret" not in line


def test_names_are_short_and_plain(tmp_path: Path) -> None:
    words = "a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
    for name in ('"a b"', '"a/b"', '"ü"', '""', "a" * 65):
        (line,) = mistakes(tmp_path, SMALL + f'[backends.{name}]\nmodel = "m"')
        assert line.endswith(words)
    assert load(tmp_path, SMALL + f'[backends."{"a.b" * 21}"]\nmodel = "m"')


def test_members_must_exist_and_may_be_ensembles(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL + '[ensembles.nested]\nmembers = ["cancer", "forest"]')
    assert mistakes(tmp_path, SMALL + '[ensembles.nested]\nmembers = ["cancr", "forest", "forest"]') == [
        "chorus.toml: [ensembles.nested] members: 'forest' is there twice",
        "chorus.toml: [ensembles.nested] members: unknown name 'cancr'; did you mean 'cancer'?",
    ]
    assert mistakes(tmp_path, SMALL + "[ensembles.empty]\nmembers = []\n[ensembles.none]") == [
        "chorus.toml: [ensembles.none] members: missing; expected a list",
        "chorus.toml: [ensembles.empty] members: expected at least one",
    ]


def test_a_backend_that_cannot_be_read_is_still_a_known_member(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL.replace('model = "cancer/logreg"', "")) == [
        "chorus.toml: [backends.logreg] model: missing; expected the name of a model"
    ]


def test_weights_and_required_are_of_members(tmp_path: Path) -> None:
    assert in_small(tmp_path, 'weights = { forrest = 2 }\nrequired = ["x"]') == [
        "chorus.toml: [ensembles.cancer] weights: unknown member 'forrest'; did you mean 'forest'?",
        "chorus.toml: [ensembles.cancer] required: unknown member 'x'; there are: forest, logreg",
    ]


def test_a_quorum_is_at_most_all_members_and_a_share_at_most_one(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL + "quorum = 2\nquorum_weight = 1").ensembles["cancer"].quorum == 2
    assert in_small(tmp_path, "quorum = 3\nquorum_weight = 1.01") == [
        "chorus.toml: [ensembles.cancer] quorum_weight: expected a number over 0 and at most 1, got 1.01",
        "chorus.toml: [ensembles.cancer] quorum: 3 is more than there are members (2)",
    ]


def test_each_cycle_is_named_once(tmp_path: Path) -> None:
    nested = "".join(f'[ensembles.{name}]\nmembers = ["{to}", "forest"]\n' for name, to in ("ab", "bc", "ca", "dd"))
    lines = mistakes(tmp_path, SMALL + nested)
    assert len(lines) == 2
    assert any(line.endswith("nothing can be a part of itself: d > d") for line in lines)
    assert any(
        f"part of itself: {cycle}" in line for line in lines for cycle in ("a > b > c", "b > c > a", "c > a > b")
    )


def test_a_name_is_a_backend_or_an_ensemble(tmp_path: Path) -> None:
    assert mistakes(tmp_path, SMALL + '[backends.cancer]\nmodel = "m"') == [
        "chorus.toml: [ensembles.cancer]: there is a backend of this name, too"
    ]


def test_a_default_must_exist_and_something_must_be_served(tmp_path: Path) -> None:
    assert mistakes(tmp_path, '[server]\ndefault = "forst"\n' + SMALL) == [
        "chorus.toml: [server] default: unknown name 'forst'; did you mean 'forest'?"
    ]
    assert mistakes(tmp_path, "") == ["chorus.toml: nothing to serve; add a [backends.NAME]"]


def warned(folder: Path, settings: str, members: str = '["forest", "logreg", "mlp"]') -> list[str]:
    text = SMALL.replace('["forest", "logreg"]', members) + settings + '\n[backends.mlp]\nmodel = "m"'
    return warnings_of(load(folder, text))


def test_a_weight_that_alone_blocks_the_quorum_is_a_warning(tmp_path: Path) -> None:
    assert warned(tmp_path, "") == []
    assert warned(tmp_path, "weights = { forest = 1.9 }") == []
    (warning,) = warned(tmp_path, "weights = { forest = 2 }")
    assert warning.startswith("[ensembles.cancer] weights: without 'forest' alone there is no quorum")
    assert warned(tmp_path, "weights = { forest = 2 }\nquorum = 2") == []
    assert warned(tmp_path, "quorum_weight = 0.6") == []
    assert len(warned(tmp_path, "quorum_weight = 0.7")) == 3


def test_decimal_weights_are_compared_exactly(tmp_path: Path) -> None:
    assert len(warned(tmp_path, "weights = { forest = 0.3, logreg = 0.1, mlp = 0.2 }")) == 1
    assert warned(tmp_path, "weights = { forest = 0.4, logreg = 0.3, mlp = 0.3 }\nquorum_weight = 0.6") == []


def test_two_members_block_by_their_number_and_that_is_no_warning(tmp_path: Path) -> None:
    assert warned(tmp_path, "", '["forest", "logreg"]') == []


def test_a_timeout_over_the_servers_maximum_is_a_warning(tmp_path: Path) -> None:
    (warning,) = warned(tmp_path, "timeout_ms = 90_000")
    assert warning == "[ensembles.cancer] timeout_ms: 90000 is capped by [server] max_timeout_ms, 60000"


def test_a_remote_may_have_several_addresses_a_rate_limit_and_names_of_its_own(tmp_path: Path) -> None:
    text = REMOTE.replace('url = "', 'url = ["http://one:1/", "').replace('"\nmodel', '"]\nmodel')
    more = 'binary = false\ndatatype = "FP64"\ngives = "labels"\noutput = "predict"\nthrottle = { rate = 200 }\n'
    far = load(tmp_path, text + more).backends["far"]
    assert isinstance(far, RemoteSettings)
    assert far.urls[0] == "http://one:1"
    assert len(far.urls) == 2
    assert far.throttle is not None
    assert (far.throttle.rate, far.throttle.period_s) == (200, 1.0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("throttle = { rate = 0 }", "throttle] rate: expected an integer from 1 to 1000000, got 0"),
        (
            "throttle = { rate = 1, period_s = 0 }",
            "throttle] period_s: expected positive seconds, at most a day, got 0",
        ),
        ("throttle = { rate = 1, periods = 2 }", "throttle] periods: unknown key; did you mean 'period_s'?"),
        ('gives = "label"', "gives: expected 'probabilities' or 'labels', got 'label'; did you mean 'labels'?"),
        ('gives = "labels"\ntemperature = 2', "temperature: labels without probabilities cannot be calibrated"),
        ('inputs = { nothing = "x" }', "inputs: unknown feature 'nothing'"),
        ('datatype = "FP16"', "datatype: expected 'FP32' or 'FP64', got 'FP16'"),
    ],
)
def test_what_is_wrong_with_how_a_remote_is_asked_is_told(tmp_path: Path, more: str, said: str) -> None:
    assert any(said in one for one in mistakes(tmp_path, REMOTE + more))


def test_an_address_that_comes_twice_or_not_at_all_is_a_mistake(tmp_path: Path) -> None:
    line = next(line for line in REMOTE.splitlines() if "url" in line)
    for url, said in (
        ("[]", "at least one address"),
        ('["http://a:1", "http://a:1/"]', "there twice"),
        ('["a:1"]', "expected an address"),
    ):
        assert any("url: " in one and said in one for one in mistakes(tmp_path, REMOTE.replace(line, f"url = {url}")))


def test_a_member_that_gives_labels_only_is_doubted_where_probabilities_are_pooled(tmp_path: Path) -> None:
    text = REMOTE + 'gives = "labels"\n[ensembles.all]\nmembers = ["far"]\n'
    (doubt,) = warnings_of(load(tmp_path, text))
    assert "'far' gives labels only" in doubt
    assert not warnings_of(load(tmp_path, text + 'rule = "hard"\n'))
