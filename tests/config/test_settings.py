"""Settings from a file and the environment; every mistake is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.settings import Settings, load_settings
from pipeline.errors import Misconfigured


def write(directory: Path, text: str) -> Path:
    file = directory / "aftershock.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_a_file_everything_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()


def test_the_file_here_is_read_unless_another_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, '[kafka]\nbootstrap = "here:1"\n')
    other = tmp_path / "other.toml"
    other.write_text('[kafka]\nbootstrap = "other:1"\n', encoding="utf-8")
    assert load_settings(environ={}).kafka.bootstrap == "here:1"
    assert load_settings(environ={"AFTERSHOCK_CONFIG": str(other)}).kafka.bootstrap == "other:1"
    assert load_settings(other, environ={}).kafka.bootstrap == "other:1"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[kafka]\nbootstrap = "file:1"\nusername = "file"\n')
    secret = tmp_path / "secret"
    secret.write_text("from a file\n", encoding="utf-8")
    found = load_settings(
        file,
        {
            "AFTERSHOCK_KAFKA": "variable:1",
            "AFTERSHOCK_CLICKHOUSE": "https://variable:8443",
            "AFTERSHOCK_KAFKA_PASSWORD": "in the open",
            "AFTERSHOCK_CLICKHOUSE_PASSWORD_FILE": str(secret),
            "AFTERSHOCK_HASH_KEY": "key",
            "AFTERSHOCK_DATABASE": "",
        },
    )
    assert (found.kafka.bootstrap, found.kafka.username, found.kafka.password) == ("variable:1", "file", "in the open")
    assert (found.clickhouse.url, found.clickhouse.password) == ("https://variable:8443", "from a file")
    assert (found.clickhouse.database, found.hash_key) == ("aftershock", "key")


@pytest.mark.parametrize(
    ("text", "line", "key", "remedy"),
    [
        ("\n[kafak]\n", 2, "kafak", "use one of kafka"),
        ("kafka = 5\n", 1, "kafka", r"write \[kafka\]"),
        ("[kafka]\nbootstrap = 5\n", 2, "kafka.bootstrap", "Expected `str`"),
        ("[storage]\nthen_one_in = 0\n", 2, "storage.then_one_in", "Expected `int` >= 1"),
        ("[storage]\nthen = 5\n", 2, "storage.then", "unknown field `then`"),
        ("[[storage.for]]\nproject = 'a'\n[[storage.for]]\nproject = 1\n", 4, "storage.for.project", "Expected"),
        ("[[storage.for]]\nproject = 'a'\nthen_one_in = 1.5\n", 3, "storage.for.then_one_in", "Expected `int"),
        ("[[storage.for]]\nthen_one_in = 1\n", 1, "storage.for", "missing required field `project`"),
        ("[kafka]\n\nbootstap = 'x'\n", 3, "kafka.bootstap", "unknown field `bootstap`"),
        ("[kafka]\ntopic_prefix = 'a b'\n", 2, "kafka.topic_prefix", "matching regex"),
        ("[kafka]\nsecurity_protocol = 'TLS'\n", 2, "kafka.security_protocol", "Invalid enum value 'TLS'"),
        ("[kafka]\nsession_timeout_s = 0\n", 2, "kafka.session_timeout_s", ">= 1"),
        ("[kafka]\nreplication_factor = true\n", 2, "kafka.replication_factor", "Expected `int`"),
        ("[kafka]\n[kafka.partitions]\nerrors = 0\n", 2, "kafka.partitions", ">= 1"),
        ("[kafka]\nusername = 'x'\npartitions = {errors = 0}\n", 3, "kafka.partitions", ">= 1"),
        ("[clickhouse]\nurl = 'ftp://x'\n", 2, "clickhouse.url", "https"),
        ("[clickhouse]\ndatabase = 'a; DROP'\n", 2, "clickhouse.database", "matching regex"),
        ("[retention]\nerrors_days = 0\n", 2, "retention.errors_days", ">= 1"),
        ("[worker]\n# often\nflush_interval_s = 0.01\n", 3, "worker.flush_interval_s", ">= 0.1"),
        ("[worker]\nbatches_in_flight = 17\n", 2, "worker.batches_in_flight", "<= 16"),
        ("[worker]\nweb_port = 70000\n", 2, "worker.web_port", "<= 65535"),
        ("[filter]\nmessages = 'x'\n", 2, "filter.messages", "Expected `array`"),
        ("[filter]\nmessages = ['x', 5]\n", 2, "filter.messages", "Expected `str`"),
        ("[filter]\naddresses = ['10.0.0.0/33']\n", 2, "filter.addresses", "write 192.0.2.7 or 10.0.0.0/8"),
        ("[filter]\ncrawlers = 'yes'\n", 2, "filter.crawlers", r"Expected `bool \| null`"),
        ("[filter.for]\nproject = 'x'\n", 1, "filter.for", r"write \[\[filter.for\]\]"),
        ("[[filter.for]]\n[[filter.for]]\nproject = 'x'\nmessages = 5\n", 4, "filter.for.messages", "array"),
        ("[[sample]]\nrate = 1\n[[sample]]\nrate = 1.5\n", 4, "sample.rate", "<= 1"),
        ("[[sample]]\ntype = 'errors'\nrate = 1\n", 2, "sample.type", "Invalid enum value 'errors'"),
        ("[[sample]]\ntype = 'error'\n", 1, "sample", "missing required field `rate`"),
        ("[alerts]\nallowed_lateness_s = 0\n", 2, "alerts.allowed_lateness_s", ">= 1"),
    ],
)
def test_a_bad_value_is_named_with_file_line_key_and_remedy(
    tmp_path: Path, text: str, line: int, key: str, remedy: str
) -> None:
    file = write(tmp_path, text)
    with pytest.raises(Misconfigured, match=remedy) as caught:
        load_settings(file, {})
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


FINGERPRINT = '[[grouping.fingerprint]]\nname = "a"\nmatch = { type = "x" }\nfingerprint = ["x"]\n'
OTHER_FINGERPRINT = '[[grouping.fingerprint]]\nname = "b"\nfingerprint = ["x"]\n'
RULE = '[[rule]]\nname = "a"\nkind = "new_issue"\n'
COUNT = '[[rule]]\nname = "b"\nkind = "count"\nthreshold = 0\nwindow = "60s"\n'
PATTERN = "[[scrub.patterns]]\nname = 'ok'\nregex = 'x'\n"
PROJECT = f'[[project]]\nname = "a"\nid = 1\nkeys = ["{"a" * 32}"]\n'
TOKEN = f'[[token]]\nname = "a"\nsha256 = "{"a" * 64}"\nprojects = ["a"]\n'


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        # An unknown key.
        ("[gateway]\nport = 1\n\nprot = 2\n", 4, "gateway.prot"),
        ("[worker]\nlinger_ms = 1\nlinger = 2\n", 3, "worker.linger"),
        ("[scrub]\nip = 'keep'\nips = 'keep'\n", 3, "scrub.ips"),
        (PATTERN + "[[scrub.patterns]]\nname = 'ko'\nregexp = 'x'\n", 6, "regexp"),
        ("[grouping]\nversion = 'v1'\nverzion = 'v1'\n", 3, "verzion"),
        (FINGERPRINT + FINGERPRINT + "tags = 1\n", 9, "tags"),
        (RULE + '[[rule]]\nname = "b"\nkind = "new_issue"\ncolour = 1\n', 7, "colour"),
        ("[filter]\ncrawlers = true\ncrawler = true\n", 3, "filter.crawler"),
        ("[[filter.for]]\nproject = 'x'\n[[filter.for]]\nproject = 'y'\nmessage = ['x']\n", 5, "filter.for.message"),
        ("[[sample]]\nrate = 1\n[[sample]]\nrate = 1\n\nrates = 1\n", 6, "sample.rates"),
        (PROJECT + PROJECT + "per_hour = 1\n", 9, "project.per_hour"),
        (PROJECT + "[project.spike]\ntimes = 2\ntime = 2\n", 7, "project.spike.time"),
        (TOKEN + TOKEN + "project = 1\n", 9, "token.project"),
        # A wrong type.
        ("[gateway]\nhost = 'x'\nport = 'x'\n", 3, "gateway.port"),
        ("[scrub]\nip = 'keep'\nkeys = 5\n", 3, "scrub.keys"),
        ("[scrub.project.shop]\nip = 'keep'\nkeys = 5\n", 3, "scrub.project.shop.keys"),
        (FINGERPRINT + OTHER_FINGERPRINT + "match = { type = 5 }\n", 8, "pattern"),
        (FINGERPRINT + OTHER_FINGERPRINT + "[grouping.fingerprint.match]\ntype = 'x'\ntags.a = 5\n", 10, "pattern"),
        ("[[grouping.frames]]\nname = 'a'\nmatch = { path = 'x' }\ncut = 5\n", 4, "cut"),
        ("scrub = 5\n", 1, "scrub"),
        ("[kafka]\n[grouping.projects]\nshop = 5\n", 3, "version"),
        ("[kafka]\n\n[rule]\nname = 'a'\n", 3, "rule"),
        (RULE + COUNT, 7, "threshold"),
        (RULE + "[rule.match]\nlevel = 'error'\ntags.region = 5\n", 6, "match.tags.region"),
        (PROJECT + PROJECT.replace("id = 1", "id = 'x'"), 7, "project.id"),
        ("[kafka]\n[project]\n", 2, "project"),
        (TOKEN + TOKEN.replace('["a"]', "5"), 8, "token.projects"),
        ("[[sample]]\nrate = 1\n[[sample]]\nrate = 'x'\n", 4, "sample.rate"),
    ],
)
def test_a_mistake_in_any_section_is_named_with_the_file_that_was_read_and_its_line(
    tmp_path: Path, text: str, line: int, key: str
) -> None:
    file = tmp_path / "other.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_settings(file, {})
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert key in str(caught.value)
    assert "aftershock.toml" not in str(caught.value)


@pytest.mark.parametrize("variable", ["AFTERSHOCK_CLICKHOUSE", "AFTERSHOCK_TOPIC_PREFIX", "AFTERSHOCK_DATABASE"])
def test_a_bad_variable_is_named_itself(tmp_path: Path, variable: str) -> None:
    file = write(tmp_path, "[kafka]\n[clickhouse]\n")
    with pytest.raises(Misconfigured) as caught:
        load_settings(file, {variable: "no such thing"})
    assert str(caught.value).startswith(f"{variable}: ")
    assert str(file) not in str(caught.value)


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "none", tmp_path, binary):
        with pytest.raises(Misconfigured, match="AFTERSHOCK_KAFKA_PASSWORD_FILE") as caught:
            load_settings(write(tmp_path, ""), {"AFTERSHOCK_KAFKA_PASSWORD_FILE": str(path)})
        assert str(path) in str(caught.value)
