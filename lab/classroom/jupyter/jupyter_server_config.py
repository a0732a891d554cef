"""Settings of a trainee's JupyterLab, found by JUPYTER_CONFIG_PATH: nothing is asked of other hosts."""

from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (Jupyter gives it)

c.ServerApp.root_dir = str(Path.home())
c.FileContentsManager.preferred_dir = str(Path.home() / "tutorial")
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "-l"]}
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.default_url = "/lab/tree/tutorial/01-the-lab.ipynb"
c.FileContentsManager.delete_to_trash = False
