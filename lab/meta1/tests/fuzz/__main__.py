"""Feed hostile input to targets, all or those named, and tell what was found."""

from __future__ import annotations

import argparse
import json
import os
import sys

from fuzz.run import MAX_FINDINGS, Shown, as_json, plain, repeat, run
from fuzz.table import TARGETS


def main() -> int:
    """Run targets one after the other; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python3 -m fuzz", description=__doc__)
    parser.add_argument(
        "--target", action="append", choices=list(TARGETS), help="only this one; may be repeated"
    )
    parser.add_argument("--runs", type=int, help="inputs for each target, instead of its full form")
    parser.add_argument("--short", action="store_true", help="the short form, as in make check-all")
    parser.add_argument("--seconds", type=float, default=0.0, help="stop a target after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--run", type=int, help="repeat this one input of the target and show what it raises"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--first", action="store_true", help="stop at the first finding")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each target")
    parser.add_argument("--list", action="store_true", help="name the targets, a line of JSON each")
    wanted = parser.parse_args()
    if wanted.list:
        for each in TARGETS.values():
            words = {"name": each.name, "feeds": each.feeds, "holds": each.holds}
            print(json.dumps(words | {"short": each.short, "full": each.full}))
        return 0
    names = wanted.target or list(TARGETS)
    if wanted.run is not None:
        repeat(TARGETS[names[0]], wanted.seed, wanted.run)
        return 0
    status = 0
    for name in names:
        target = TARGETS[name]
        report = run(
            target,
            wanted.runs or (target.short if wanted.short else target.full),
            wanted.seed,
            processes=wanted.processes,
            seconds=wanted.seconds,
            most=1 if wanted.first else MAX_FINDINGS,
            progress=Shown(),
        )
        print(as_json(report) if wanted.json else report.line, flush=True)
        for found in report.findings:
            status = 1
            again = f"python3 -m fuzz --target {name} --seed {found['seed']} --run {found['run']}"
            print(
                plain(f"  {found['error']}\n  at {'; '.join(found['where'])}\n  again: {again}"),
                file=sys.stderr,
            )
    return status


if __name__ == "__main__":
    raise SystemExit(main())
