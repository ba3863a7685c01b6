"""Prints what the image weighs: `python -m tests.image` after `make image`, for docs/image.md."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from tests.image.podman import BUILD, store_environment

_LARGEST = 15


def layers(image: str, folder: Path) -> list[tuple[Path, str]]:
    """Each layer of an image as a registry would have it: its compressed file, and what made it."""
    subprocess.run(["buildah", "push", "--quiet", image, f"oci:{folder}"], check=True, env=store_environment())

    def blob(digest: str) -> Path:
        return folder / "blobs" / digest.replace(":", "/")

    index = json.loads((folder / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    config = json.loads(blob(manifest["config"]["digest"]).read_text())
    history = [step for step in config["history"] if not step.get("empty_layer")]
    pairs = zip(manifest["layers"], history, strict=True)
    return [(blob(layer["digest"]), step["created_by"]) for layer, step in pairs]


def packages(layer: Path) -> dict[str, Counter[str]]:
    """What each Python package of a layer weighs by itself, compressed: its bytecode and the rest of it."""
    files: dict[tuple[str, str], list[tuple[tarfile.TarInfo, bytes]]] = defaultdict(list)
    with tarfile.open(layer) as archive:
        for member in archive:
            _, found, path = member.name.partition("/site-packages/")
            content = archive.extractfile(member) if member.isfile() else None
            if found and content:
                kind = "bytecode" if path.endswith(".pyc") else "the rest"
                files[path.partition("/")[0], kind].append((member, content.read()))
    weighed: dict[str, Counter[str]] = defaultdict(Counter)
    for (package, kind), members in files.items():
        weighed[package][kind] = _compressed(members)
    return weighed


def _compressed(members: list[tuple[tarfile.TarInfo, bytes]]) -> int:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    return len(gzip.compress(buffer.getvalue(), 6))


def main(arguments: list[str]) -> None:
    """Print the tables for an image, by default the one of this checkout."""
    built = subprocess.run([BUILD, "--where"], check=not arguments, capture_output=True, text=True)
    image = arguments[0] if arguments else built.stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        base, *above = layers(image, Path(folder))
        total = sum(file.stat().st_size for file, _ in above)
        lines = [f"{image}: {total / 1e6:.1f} MB above a base of {base[0].stat().st_size / 1e6:.1f} MB", ""]
        lines += ["| layer | MB |", "| --- | --- |"]
        lines += [
            f"| {step.removeprefix('/bin/sh -c ')[:60]} | {file.stat().st_size / 1e6:.2f} |" for file, step in above
        ]
        weighed = packages(max((file for file, _ in above), key=lambda file: file.stat().st_size))
    lines += ["", "| package | MB | of it bytecode |", "| --- | --- | --- |"]
    for package, weights in sorted(weighed.items(), key=lambda item: -item[1].total())[:_LARGEST]:
        lines.append(f"| {package} | {weights.total() / 1e6:.2f} | {weights['bytecode'] / 1e6:.2f} |")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
