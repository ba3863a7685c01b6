"""Every block of commands in the documents is run by a test."""

from __future__ import annotations

from tests.docs.markdown import ROOT, blocks, documents

LANGUAGES = {"sh", "console", "yaml", "text", "mermaid"}  # tests/docs/test_yaml.py applies what is YAML
RUN_BY = {
    "README.md": ["tests/docs/test_install.py"],  # and the two commands of make, which run the tests and the demo
    "docs/how-to.md": ["tests/docs/test_how_to.py", "tests/docs/test_install.py"],
    "docs/install.md": ["tests/docs/test_install.py"],
    "docs/migration.md": ["tests/docs/test_migration.py"],
    "docs/reference.md": ["tests/cli/test_help.py"],
    "docs/research/analysis.md": ["tests/experiments/snippets.py"],
    "docs/runbook.md": ["tests/docs/test_runbook.py", "tests/manifests/test_stop.py"],
    "docs/sources.md": ["tests/docs/test_sources.py"],
    "docs/testing.md": ["tests/docs/test_install.py"],
    "docs/tutorial.md": ["tests/docs/test_tutorial.py"],
}
NOT_RUN = {
    "CONTRIBUTING.md": "the commands of make run the tests themselves",
    "docs/image.md": "needs Docker and a registry; tests/image builds the same Dockerfile with buildah",
}


def test_each_document_with_commands_has_a_test_that_runs_them() -> None:
    found = {}
    for document in documents():
        languages = {language for language, _ in blocks(document.read_text())}
        assert languages <= LANGUAGES, document
        if languages & {"sh", "console"}:
            report = document.parent.name == "research"
            found[str(document.relative_to(ROOT))] = "research" if report else document.name
    assert found.keys() == RUN_BY.keys() | NOT_RUN.keys()
    for name, tests in RUN_BY.items():
        assert all(found[name] in (ROOT / test).read_text() for test in tests), name
