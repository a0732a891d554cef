"""Makes a Jupyter server load the lab panel: JUPYTER_CONFIG_PATH names this folder."""

from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (Jupyter gives it)

c.ServerApp.jpserver_extensions = {"lab.classroom.panel": True}
c.LabApp.news_url = None  # nothing is asked of other hosts
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extra_labextensions_path = [str(Path(__file__).resolve().parent / "labextensions")]
