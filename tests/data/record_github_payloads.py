"""Writes real GitHub webhook payloads, whole and unchanged, to one file per example.

They come from the npm package `@octokit/webhooks-examples` (MIT, https://github.com/octokit/webhooks), version 7.6.1:

    npm pack @octokit/webhooks-examples@7.6.1 && tar xf octokit-webhooks-examples-7.6.1.tgz
    python tests/data/record_github_payloads.py package/api.github.com/index.json

Its index.json is a list of `{"name": <event>, "examples": [<payload>, ...]}`. The files are named
`<event>.<action>.<n>.json`, where n counts the examples of that action in the package's order. All examples of all
kinds are in `github-examples.json.gz`.
"""

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "github"
ALL = Path(__file__).with_name("github-examples.json.gz")
ALL_EXAMPLES = {"pull_request", "pull_request_review", "push"}
# Events that no gate is for: one example of each action is enough.
ONE_EXAMPLE = {"check_run", "check_suite", "issue_comment", "label", "ping"}


def record(index: Path, folder: Path = HERE) -> list[Path]:
    """Write the examples and return their files.

    Args:
        index: The package's api.github.com/index.json.
        folder: Where the files go.
    """
    events: dict[str, list[dict[str, Any]]] = {
        event["name"]: event["examples"] for event in json.loads(index.read_text(encoding="utf-8"))
    }
    whole = [{"name": name, "examples": examples} for name, examples in sorted(events.items())]
    packed = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()
    ALL.write_bytes(gzip.compress(packed, compresslevel=9, mtime=0))
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for event in sorted(ALL_EXAMPLES | ONE_EXAMPLE):
        seen: Counter[str] = Counter()
        for payload in events[event]:
            # push and ping have no action.
            name = f"{event}.{payload['action']}" if "action" in payload else event
            seen[name] += 1
            if event in ONE_EXAMPLE and seen[name] > 1:
                continue
            file = folder / f"{name}.{seen[name]}.json"
            file.write_text(json.dumps(payload, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            files.append(file)
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write GitHub's example payloads to tests/data/github.")
    parser.add_argument("index", type=Path, help="api.github.com/index.json of the unpacked package")
    record(parser.parse_args().index)
