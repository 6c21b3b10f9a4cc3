"""What can be set, called or asked for stands in the docs, and what the docs name exists."""

import ast
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from recsys.rewards import RewardWeights

ROOT = Path(__file__).resolve().parent.parent
OWN_APPS = {"accounts", "training", "recsys", "composer", "config"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def every_page() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))])


def settings_read() -> dict[str, str]:
    """Every variable that the code reads from the environment through the typed readers, with the file that does."""
    found = {}
    for file in [*ROOT.glob("config/**/*.py"), ROOT / "accounts/apps.py"]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr.startswith("read_")
                and node.args
            ):
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found[name.value] = file.name
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


def api_paths(patterns: list[URLPattern | URLResolver], prefix: str = "") -> set[str]:
    found = set()
    for pattern in patterns:
        path = prefix + str(pattern.pattern).replace("^", "").replace("$", "").replace("\\Z", "")
        if isinstance(pattern, URLResolver):
            found |= api_paths(pattern.url_patterns, path)
        elif path.startswith("api/v1/"):
            found.add("/" + re.sub(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)", "{}", path))
    return found


def test_each_setting_stands_in_the_configuration_page_and_in_the_example() -> None:
    page, example = read("docs/configuration.md"), read(".env.example")

    assert [name for name in settings_read() if f"`{name}`" not in page] == []
    assert [name for name in settings_read() if not re.search(rf"^#? ?{name}=", example, re.MULTILINE)] == []


def test_the_configuration_page_names_no_setting_that_nobody_reads() -> None:
    named = set(re.findall(r"`(ENCORE_[A-Z_]+)`", read("docs/configuration.md")))

    assert named - set(settings_read()) == set()


def test_there_are_at_most_eight_make_targets_and_each_stands_in_the_readme() -> None:
    targets = make_targets()

    assert len(targets) <= 8
    assert [target for target in targets if f"make {target}" not in read("README.md")] == []


def test_the_readme_names_no_make_target_that_does_not_exist() -> None:
    assert set(re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z]+)", read("README.md"))) - make_targets() == set()


def test_the_two_commands_stand_within_the_first_twenty_lines() -> None:
    beginning = "\n".join(read("README.md").splitlines()[:20])

    assert "make run" in beginning
    assert "make test" in beginning


def test_each_management_command_stands_in_the_docs() -> None:
    own = [name for name, app in get_commands().items() if app in OWN_APPS]

    assert [name for name in own if f"manage.py {name}" not in every_page()] == []


def test_each_endpoint_stands_in_the_docs() -> None:
    pages = re.sub(r"\{\w+\}", "{}", every_page())

    assert sorted(path for path in api_paths(get_resolver().url_patterns) if path not in pages) == []


def test_each_reward_stands_in_the_docs() -> None:
    assert [field.name for field in fields(RewardWeights) if f"`{field.name}`" not in every_page()] == []


def test_each_system_check_stands_in_the_docs() -> None:
    ids = set(re.findall(r"encore\.[EW]\d{3}", read("config/checks.py")))

    assert [name for name in ids if name not in every_page()] == []


def test_each_word_of_the_glossary_is_explained() -> None:
    glossary = read("docs/glossary.md")
    models = [model.__name__ for app in OWN_APPS for model in apps.get_app_config(app).get_models()]

    assert [name for name in models if f"**{_words(name)}**" not in glossary] == []


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


@pytest.mark.parametrize("page", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))])
def test_every_link_inside_the_project_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\((?!http|#|mailto:)([^)#]+)", read(page))

    assert [link for link in links if not (folder / link).exists()] == []


def test_every_file_named_in_the_readme_exists() -> None:
    named = set(
        re.findall(
            r"`((?:music|dqn|accounts|training|recsys|composer|config|templates|static|tests|bench|docs)/[\w/.]*)`",
            read("README.md"),
        )
    )

    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_each_page_of_the_docs_stands_in_their_index() -> None:
    index = read("docs/README.md")
    listed = subprocess.run(
        ["git", "ls-files", "docs/*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert [page for page in listed if page != "docs/README.md" and f"({page.removeprefix('docs/')})" not in index] == []
