"""Settings of JupyterHub for a class: ``jupyterhub --config`` reads this file, which reads class.json."""

import os

from lab.classroom import net, place, services
from lab.classroom import settings as class_settings
from lab.classroom.authenticator import RosterAuthenticator
from lab.classroom.spawner import SandboxSpawner
from lab.config import ROOT

c = get_config()  # type: ignore[name-defined]  # noqa: F821  (JupyterHub gives it)
settings, tokens, folder = class_settings.load(), services.tokens(), place.hub()
os.umask(0o077)  # what the hub writes has secrets in it

# Where it is. Only the proxy is for others; hub and services are found through it.
c.JupyterHub.hub_bind_url = services.hub_url(settings)
c.JupyterHub.bind_url = f"https://{settings.address}:{settings.port}/"
c.JupyterHub.db_url = f"sqlite:///{folder / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.trusted_downstream_ips = [
    "127.0.0.1",
    net.hub_address(settings.network).compressed,
]

# The supervisor keeps proxy and services running, so that they and the servers of the trainees outlive the hub.
c.JupyterHub.proxy_class = "jupyterhub.proxy.ConfigurableHTTPProxy"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = services.proxy_url(settings)
c.ConfigurableHTTPProxy.auth_token = tokens["proxy"]
c.ConfigurableHTTPProxy.check_running_interval = 2
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.cleanup_servers = False

# Who comes in, and what they get.
c.JupyterHub.authenticator_class = RosterAuthenticator
c.Authenticator.any_allow_config = True  # who may come in is in class.json
c.JupyterHub.spawner_class = SandboxSpawner
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 120
c.Spawner.poll_interval = 10
c.Spawner.env_keep = []
c.Spawner.default_url = "/lab/tree/tutorial/01-the-lab.ipynb"
# No limit: the spawner lets a few start at a time, and the others wait.
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.init_spawners_timeout = 60

c.JupyterHub.services = [
    {
        "name": services.PAGE,
        "url": services.page_url(settings),
        "api_token": tokens["instructor"],
        "oauth_no_confirm": True,
    },
    {"name": "culler", "api_token": tokens["culler"]},
]
c.JupyterHub.load_roles = [
    {
        "name": "culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["culler"],
    },
    {
        "name": "instructors-page",
        "scopes": ["read:users", "list:users", "servers", "access:servers", "proxy"],
        "services": [services.PAGE],
    },
    # Neither shares their server, nor makes tokens for services that there are not.
    {"name": "user", "scopes": ["self"]},
]


def first_page(handler: object) -> str:
    """The instructor has a page; a trainee has a server. Who is not logged in yet is asked again afterwards."""
    user = getattr(handler, "current_user", None)
    if not user:
        return "/hub/login"
    return f"/services/{services.PAGE}/" if user.admin else "/hub/spawn"


c.JupyterHub.default_url = first_page
c.JupyterHub.template_paths = [str(ROOT / "lab/classroom/pages")]
