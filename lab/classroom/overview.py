"""What `lab class status` tells: the programs of the class, and of each trainee the server and the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lab.classroom import boxes, place, supervisor
from lab.classroom import settings as class_settings
from lab.classroom.client import Broker
from lab.errors import LabError, NotUp


def status() -> dict[str, Any]:
    """All of it; quick, and asks nobody who may be stuck for more than some seconds."""
    try:
        settings = class_settings.load()
    except NotUp:
        return {"up": False, "address": None, "programs": [], "trainees": []}
    rows = {each["name"]: each for each in _table()}
    alive = supervisor.running() is not None
    return {
        "up": alive,
        "address": f"https://{settings.names[0]}:{settings.port}/",
        "programs": [_program(each, alive) for each in supervisor.states()],
        "trainees": [
            {
                "name": each.name,
                "full_name": each.full_name,
                "server": "running" if boxes.group(each.name).processes() else "stopped",
                "machine": rows.get(each.name, {}).get("machine", "unknown"),
                "memory_mib": round(boxes.group(each.name).use().memory),
                "last": rows.get(each.name, {}).get("last", ""),
            }
            for each in settings.trainees
        ],
    }


def shown(found: dict[str, Any]) -> str:
    """The same as lines."""
    if not found["address"]:
        return "no class is up"
    lines = [f"class at {found['address']}" + ("" if found["up"] else ", its programs do not run")]
    for each in found["programs"]:
        again = f", started again {each['restarts']} times" if each["restarts"] else ""
        lines.append(f"  {each['name']:<12} {each['state']} since {each['since']}{again}")
    lines.append(f"{'trainee':<16} {'server':<8} {'machine':<8} {'MiB':>5}  last seen")
    for each in found["trainees"]:
        lines.append(
            f"{each['name']:<16} {each['server']:<8} {each['machine']:<8} {each['memory_mib']:>5}  "
            f"{each['last'] or '-'}"
        )
    return "\n".join(lines)


def _program(state: supervisor.State, alive: bool) -> dict[str, Any]:
    since = datetime.fromtimestamp(state.since, UTC)
    runs = alive and state.pid and boxes.started(state.pid) is not None
    return {
        "name": state.name,
        "state": "running" if runs else "stopped",
        "pid": state.pid,
        "since": f"{since:%Y-%m-%d %H:%M:%S}",
        "restarts": state.restarts,
    }


def _table() -> list[dict[str, Any]]:
    try:
        return list(Broker(place.instructor_socket()).ask("table", seconds=10.0)["trainees"])
    except LabError:
        return []
