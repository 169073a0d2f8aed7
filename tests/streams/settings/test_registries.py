"""Names that settings may have: our own, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings.configuration import load
from streams.settings.registries import (
    ENCODERS,
    FORMATS,
    MODELS,
    RECOMMENDERS,
    SINKS,
    Registry,
    RegistryError,
    encoder_name,
)
from streams.settings.settings import Settings, SettingsError

Install = Callable[..., None]
OWN = {"list": "builtins:list", "gone": "no_such_module:make"}


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """install(package, group, name="module:factory") puts a package on the path, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(package: str, group: str, **points: str) -> None:
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
        (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")

    return write


def test_a_name_builds_what_its_factory_makes() -> None:
    assert Registry("thing", "test.things", OWN).build("list", "ab") == ["a", "b"]


def test_a_factory_is_imported_only_when_it_is_asked_for() -> None:
    registry = Registry("thing", "test.things", OWN)
    assert list(registry) == ["list", "gone"]
    assert registry.require("gone") == "gone"
    with pytest.raises(ModuleNotFoundError):
        registry.build("gone")


def test_a_package_adds_a_name(install: Install) -> None:
    registry = Registry("thing", "test.things", OWN)
    assert "sorted" not in registry
    install("acme", "test.things", sorted="builtins:sorted")
    assert list(registry) == ["list", "gone", "sorted"]
    assert registry.build("sorted", "ba") == ["a", "b"]


def test_a_package_takes_no_name_of_ours(install: Install) -> None:
    install("acme", "test.things", list="builtins:tuple")
    registry = Registry("thing", "test.things", OWN)
    assert list(registry) == ["list", "gone"]
    assert registry.build("list", "ab") == ["a", "b"]


def test_two_packages_with_one_name_are_named(install: Install) -> None:
    install("acme", "test.things", other="builtins:tuple")
    install("emca", "test.things", other="builtins:set")
    with pytest.raises(RegistryError, match="several packages have a thing 'other': keep one of acme, emca"):
        Registry("thing", "test.things", OWN).build("other")


@pytest.mark.parametrize("value", ["no_such_module:make", "builtins:no_such_factory"])
def test_a_package_that_cannot_be_imported_is_named(install: Install, value: str) -> None:
    install("acme", "test.things", broken=value)
    with pytest.raises(RegistryError, match=f"'broken' \\({value}\\) cannot be imported"):
        Registry("thing", "test.things", OWN).build("broken")


def test_an_unknown_name_is_answered_with_the_known_ones(install: Install) -> None:
    install("acme", "test.things", sorted="builtins:sorted")
    registry = Registry("thing", "test.things", OWN, reserved=("nothing",))
    assert registry.require("nothing") == "nothing"
    for asked in (registry.require, registry.build):
        with pytest.raises(
            RegistryError, match="no thing 'x'; there are: list, gone, sorted, nothing"
        ) as caught:
            asked("x")
        assert "install the package that adds it by an entry point of the group test.things" in str(
            caught.value
        )


CASES = [
    (FORMATS, "sources", "clicks:ours"),
    (MODELS, "model", "ours"),
    (RECOMMENDERS, "recommender", "ours"),
    (SINKS, "destinations", "kafka,ours"),
    (ENCODERS, "encoder", "ours:model"),
]


@pytest.mark.parametrize(("registry", "setting", "given"), CASES, ids=[case[1] for case in CASES])
def test_settings_take_what_is_registered_and_nothing_else(
    install: Install, registry: Registry, setting: str, given: str
) -> None:
    known = ", ".join((*registry, *registry.reserved))
    with pytest.raises(SettingsError) as caught:
        load(**{setting: given})
    said = str(caught.value)
    assert f"INTERESTFLOW_{setting.upper()}" in said
    assert f"'ours'; there are: {known}." in said
    assert registry.group in said
    install("acme", registry.group, ours="builtins:tuple")
    assert load(**{setting: given})


def test_kafka_is_always_a_destination() -> None:
    with pytest.raises(SettingsError, match="kafka must be one of them"):
        load(destinations="memory")


def test_canonical_is_a_format_without_an_adapter() -> None:
    assert Settings(sources="clicks:canonical").topics.canonical == "clicks"  # as in a variable
    assert "canonical" not in FORMATS


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        ("hashing", "hashing"),
        ("topics", "topics"),
        ("onnx:some/folder", "onnx"),
        ("http://host:8080/v1", "remote"),
        ("https://host/v1", "remote"),
        ("demo", "transformers"),
        ("intfloat/multilingual-e5-small", "transformers"),
        ("models/a:b", "transformers"),
        ("transformers:demo", "transformers"),
    ],
)
def test_an_encoder_is_a_registered_name_a_url_or_a_model(encoder: str, name: str) -> None:
    assert encoder_name(Settings(encoder=encoder).encoder.name) == name


@pytest.mark.parametrize(
    ("given", "meant"),
    [("hasing", "hashing"), ("Hashing", "hashing"), ("topic", "topics"), ("onx", "onnx"), ("demos", "demo")],
)
def test_a_misspelt_encoder_is_answered_with_the_name_that_it_misses(given: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"no encoder '{given}': did you mean '{meant}'") as caught:
        load(encoder=given)
    assert "INTERESTFLOW_ENCODER: " in str(caught.value)
    assert "demo, hashing, topics, onnx, remote, transformers" in str(caught.value)


@pytest.mark.parametrize("given", ["bert-base-uncased", "gpt2", "transformers:hasing", "./hasing"])
def test_a_word_may_be_a_models_name(given: str) -> None:
    assert load(encoder=given).encoder.name == given


def test_a_folder_may_be_called_nearly_like_an_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hasing").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load(encoder="hasing").encoder.name == "hasing"


def test_a_package_may_add_an_encoder_with_or_without_more_behind_its_name(install: Install) -> None:
    install("acme", ENCODERS.group, ours="builtins:tuple")
    assert [encoder_name(given) for given in ("ours", "ours:large", "our")] == [
        "ours",
        "ours",
        "transformers",
    ]
