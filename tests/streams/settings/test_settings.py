"""Settings: where they come from, what is checked together, and what is said of wrong ones."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from streams.commands.main import app
from streams.settings.action_rules import DEFAULT_ACTIONS, LARGEST_WEIGHT
from streams.settings.configuration import load
from streams.settings.settings import PLACES, SECTIONS, Settings, SettingsError
from streams.settings.source_topics import Source
from tests.streams.flows import apply, make_flow, record

SECRET = "hunter2-do-not-print"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets variables by the name of the setting."""
    return lambda **values: [monkeypatch.setenv(f"INTERESTFLOW_{k.upper()}", v) for k, v in values.items()]


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Writes a settings file."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return write


def wrong(**options: Any) -> str:
    """The message about wrong settings."""
    with pytest.raises(SettingsError) as caught:
        load(**options)
    return str(caught.value)


# --- where they come from -----------------------------------------------------------------------------------------


def test_options_win_over_environment_over_file_over_defaults(toml: Any, environment: Any) -> None:
    file = toml("top_k = 2\npartitions = 2\nreasons = 2\n")
    environment(partitions="3", reasons="3")
    settings = load(file, reasons=4)
    assert (settings.recommendations.top_k, settings.topics.partitions, settings.recommendations.reasons) == (
        2,
        3,
        4,
    )
    assert settings.user_state.history_length == Settings().user_state.history_length


def test_an_option_that_was_not_given_decides_nothing(environment: Any) -> None:
    environment(partitions="3")
    assert load(partitions=None).topics.partitions == 3


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nothing.toml does not exist" in wrong(config=tmp_path / "nothing.toml")


def test_a_file_that_the_environment_names_must_be_there(environment: Any, tmp_path: Path) -> None:
    environment(config=str(tmp_path / "nothing.toml"))
    assert "nothing.toml does not exist" in wrong()


def test_a_file_that_does_not_parse_is_said_to(toml: Any) -> None:
    file = toml("top_k = = 2")
    assert f"{file} does not parse" in wrong(config=file)


@pytest.mark.parametrize(
    "given",
    [
        "clicks:native, orders:cloudevents,plain",
        '[{"topic": "clicks"}, {"topic": "orders", "format": "cloudevents"}, {"topic": "plain"}]',
    ],
)
def test_sources_are_pairs_or_json(environment: Any, given: str) -> None:
    environment(sources=given)
    assert load().topics.sources == (
        Source(topic="clicks", format="native"),
        Source(topic="orders", format="cloudevents"),
        Source(topic="plain", format="native"),
    )


def test_sources_may_be_tables_of_the_file(toml: Any) -> None:
    file = toml('[[sources]]\ntopic = "clicks"\nformat = "canonical"\n')
    settings = load(file)
    assert settings.topics.canonical == "clicks"
    assert settings.topics.raw_sources == ()


def test_actions_are_merged_over_the_defaults(environment: Any) -> None:
    environment(actions='{"purchase": {"weight": 9}, "wave": {"weight": -1, "scale": "linear"}}')
    rules = load().weights.action_rules
    assert (rules["purchase"].weight, rules["purchase"].scale) == (9, "none")
    assert rules["wave"].weight == -1
    assert rules["click"] == DEFAULT_ACTIONS["click"]


# --- in sections --------------------------------------------------------------------------------------------------


def test_every_setting_has_a_place_of_its_own() -> None:
    names = [name for section in SECTIONS.values() for name in section.flat_names()]
    assert sorted(names) == sorted(PLACES)
    assert Settings().flat().keys() == PLACES.keys()


def test_flat_names_lead_to_sections() -> None:
    settings = Settings(topic_items="a", app="b", encoder="hashing")
    assert (settings.topics.items, settings.topics.group, settings.encoder.name) == ("a", "b-g1", "hashing")
    other = settings.model_copy(update={"topic_items": "c", "generation": 2, "partitions": 9})
    assert (other.topics.items, other.topics.state, other.topics.partitions) == ("c", "b-g2-state", 9)
    assert other.encoder is settings.encoder
    assert settings.topics.items == "a"
    with pytest.raises(KeyError):
        settings.model_copy(update={"colour": "red"})


def test_only_loading_reads_the_environment(environment: Any) -> None:
    environment(app="shop")
    assert (Settings().topics.app, load().topics.app) == ("interestflow", "shop")


def test_tables_of_file_and_environment_are_merged(environment: Any, toml: Any) -> None:
    environment(actions='{"buy": {"weight": 2}}')
    actions = load(
        toml("[actions]\nbuy = {weight = 9, scale = 'log'}\nwave = {weight = 1}\n")
    ).weights.actions
    assert {word: (rule.weight, rule.scale) for word, rule in actions.items()} == {
        "buy": (2, "log"),
        "wave": (1, "none"),
    }


# --- what is wrong ------------------------------------------------------------------------------------------------


def test_all_wrong_settings_are_named_at_once(environment: Any, toml: Any) -> None:
    environment(partitions="many", generation="0", colour="red", sources="[{")
    said = wrong(config=toml('top_k = "few"\nsize = 3\n'), model=5)
    for name in ("PARTITIONS", "GENERATION", "COLOUR", "SOURCES", "TOP_K", "MODEL"):
        assert f"INTERESTFLOW_{name}: " in said
    assert "no setting size." in said


@pytest.mark.parametrize("name", ["colour", *sorted(SECTIONS.keys() - PLACES.keys())])
def test_an_unknown_name_of_the_file_is_named_though_it_be_a_sections(name: str, toml: Any) -> None:
    file = toml(f"{name} = 1\n")
    assert f"{file}: no setting {name}." in wrong(config=file)


def test_a_misspelt_name_of_the_file_is_answered_with_the_near_one(toml: Any) -> None:
    assert "no setting ranking_cap. Did you mean ranking_caps?" in wrong(config=toml('ranking_cap = "a=1"\n'))


def test_problems_of_several_sections_are_named_at_once() -> None:
    said = wrong(destinations="memory", users_in_memory=5, sources="a:native,a:native", top_k=0)
    for problem in (
        "destinations: kafka",
        "users_in_memory, evicted_dir: ",
        "listed twice",
        "INTERESTFLOW_TOP_K",
    ):
        assert problem in said


@pytest.mark.parametrize("vector_format", ["f4le", "f2le"])
def test_rows_of_a_destination_beside_kafka_are_json(vector_format: str) -> None:
    assert "vector_format" in wrong(destinations="kafka,memory", vector_format=vector_format)
    assert load(vector_format=vector_format).output.vector_format == vector_format
    assert load(destinations="kafka,memory", vector_format="array").output.vector_format == "array"


def test_an_unknown_variable_is_named(environment: Any) -> None:
    environment(dimension="64")
    assert "INTERESTFLOW_DIMENSION: no such setting" in wrong()


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ("a:native,a:cloudevents", "listed twice"),
        ("a:canonical,b:canonical", "one canonical topic at most"),
        ("behavior.events.v1:native", "give it the format canonical"),
        ("a:avro", "INTERESTFLOW_SOURCES"),
        ("[{", "INTERESTFLOW_SOURCES"),
        ("", "sources: name at least one topic"),
        ("clicks of today:native", "'clicks of today' is no name of a topic"),
    ],
)
def test_sources_that_cannot_be_are_refused(environment: Any, sources: str, said: str) -> None:
    environment(sources=sources)
    assert said in wrong()


ROLES = ("rejected", "items", "embeddings", "vectors", "recommendations")


@pytest.mark.parametrize(
    ("given", "one", "other"),
    [
        *(({"sources": f"raw,{name}", f"topic_{name}": name}, "SOURCES", f"TOPIC_{name}") for name in ROLES),
        *(
            ({"sources": f"{name}:canonical", f"topic_{name}": name}, "SOURCES", f"TOPIC_{name}")
            for name in ROLES
        ),
        *(({f"topic_{name}": "shop-g3-state"}, f"TOPIC_{name}", "APP") for name in ("events", *ROLES)),
        *(
            ({f"topic_{one}": "x", f"topic_{other}": "x"}, f"TOPIC_{one}", f"TOPIC_{other}")
            for one, other in combinations(("events", *ROLES), 2)
        ),
    ],
)
def test_two_settings_that_name_one_topic_are_refused(given: dict[str, str], one: str, other: str) -> None:
    said = wrong(**given, app="shop", generation=3)
    assert f"INTERESTFLOW_{one.upper()} and INTERESTFLOW_{other.upper()} name one topic, " in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("name", ["", ".", "..", "of today", "ä", "a:b", "a" * 250, "a\n"])
@pytest.mark.parametrize("setting", ["topic_events", *(f"topic_{role}" for role in ROLES)])
def test_what_is_no_name_of_a_topic_is_refused(setting: str, name: str) -> None:
    said = wrong(**{setting: name})
    assert f"INTERESTFLOW_{setting.upper()}: {name!r} is no name of a topic" in said


@pytest.mark.parametrize("missing", ["kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password"])
def test_sasl_needs_mechanism_username_and_password(missing: str) -> None:
    sasl = {"kafka_sasl_mechanism": "PLAIN", "kafka_sasl_username": "u", "kafka_sasl_password": SECRET}
    assert load(kafka_security_protocol="SASL_SSL", **sasl)
    del sasl[missing]
    said = wrong(kafka_security_protocol="SASL_SSL", **sasl)
    assert f"INTERESTFLOW_{missing.upper()}" in said
    assert SECRET not in said


def test_a_wrong_password_is_not_repeated(toml: Any) -> None:
    secrets = ("kafka_sasl_password", "kafka_ssl_key_password", "encoder_remote_api_key")
    file = toml("".join(f'{name} = ["{SECRET}"]\n' for name in secrets))
    said = wrong(config=file)
    assert "INTERESTFLOW_KAFKA_SASL_PASSWORD" in said
    assert SECRET not in said


# --- the command line ---------------------------------------------------------------------------------------------


def test_the_settings_verb_prints_every_setting_and_no_password(environment: Any) -> None:
    environment(
        kafka_sasl_password=SECRET, kafka_ssl_key_password=SECRET, encoder_remote_api_key=SECRET, top_k="7"
    )
    shown = CliRunner().invoke(app, ["settings"])
    assert shown.exit_code == 0
    assert SECRET not in shown.output
    lines = dict(line.split("=", 1) for line in shown.output.splitlines())
    assert lines.keys() == {f"INTERESTFLOW_{name.upper()}" for name in PLACES}
    assert lines["INTERESTFLOW_TOP_K"] == "7"
    assert lines["INTERESTFLOW_KAFKA_SASL_PASSWORD"] == lines["INTERESTFLOW_ENCODER_REMOTE_API_KEY"] == "***"


def test_wrong_settings_end_a_verb_with_a_sentence(environment: Any) -> None:
    environment(top_k="many")
    shown = CliRunner().invoke(app, ["settings"])
    assert shown.exit_code == 2
    assert "INTERESTFLOW_TOP_K" in shown.output
    assert "Traceback" not in shown.output


def verbs(command: Any = None, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    command = command or get_command(app)
    children = getattr(command, "commands", None)
    return [path] if not children else [v for name, c in children.items() for v in verbs(c, (*path, name))]


@pytest.mark.parametrize("verb", verbs(), ids=" ".join)
def test_the_help_of_every_verb_has_an_example(verb: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*verb, "--help"])
    assert shown.exit_code == 0
    example = shown.output.partition("Example: ")[2]
    assert f"interestflow {' '.join(verb)}" in " ".join(example.split())


@pytest.mark.parametrize("weight", [1e7, -1e7, 3e38])
def test_a_weight_that_could_overflow_an_interest_is_refused(weight: float) -> None:
    with pytest.raises(SettingsError, match="ACTIONS"):
        load(actions={"buy": {"weight": weight}})
    with pytest.raises(SettingsError, match="DEFAULT_ACTION_WEIGHT"):
        load(default_action_weight=weight)


def test_the_largest_weight_and_value_leave_an_interest_finite() -> None:
    flow = make_flow(actions={"buy": {"weight": LARGEST_WEIGHT, "scale": "linear"}})
    log = [record(n, action="buy", value=1e300) for n in range(500)]
    assert apply(flow, log).isolated == []
    assert flow.partitions[0].books["applied"] == 500


@pytest.mark.parametrize(
    "given",
    [
        {"users_in_memory": 5},
        {"evicted_dir": "evicted"},
        {"users_in_memory": 5, "evicted_dir": "evicted", "snapshot_dir": "snapshots"},
    ],
)
def test_a_bound_of_memory_needs_its_folder_and_excludes_snapshots(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="users_in_memory"):
        load(**given)


@pytest.mark.parametrize("given", ["view, buy", '["view", "buy"]'])
def test_a_list_may_be_written_with_commas_or_as_json(given: str, environment: Any) -> None:
    names = ("consuming_actions", "sentiment_actions", "media_hosts")
    environment(**dict.fromkeys(names, given))
    settings = load()
    assert [settings.flat()[name] for name in names] == [("view", "buy")] * 3


def test_what_is_no_json_is_told_with_its_variable(environment: Any) -> None:
    environment(templates='{"purchase": ')
    assert "INTERESTFLOW_TEMPLATES: it is not JSON (Expecting value" in wrong()
    environment(templates="{}", sentiment_actions='["comment"')
    assert "INTERESTFLOW_SENTIMENT_ACTIONS: " in wrong()
