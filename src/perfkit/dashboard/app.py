"""The dashboard as an ASGI application: Datasette over one database, our plugin in it, the guard in front."""

from __future__ import annotations

from pathlib import Path

from datasette.plugins import pm

from perfkit.dashboard import assets, dress, plugin
from perfkit.dashboard.access import Access, App, Guard
from perfkit.dashboard.site import Dashboard
from perfkit.dashboard.users import Users
from perfkit.store import open_database


def make_app(database: Path, access: Access | None = None) -> App:
    """The dashboard over `database`, which is made if it is missing; without `access` nobody needs to log in.

    Raises BadInput for a file that is not perfkit's, Failed where it cannot be opened.
    """
    open_database(database).close()
    register()
    assets.files()  # packed before the first visit instead of during it
    access = access or Access(Users.beside(database), login=False)
    dashboard = Dashboard(database, access)
    return Guard(dashboard.app(), dashboard, plugin.is_page)


def register() -> None:
    """Our plugin and Datasette's own, and none that happens to be installed next to them.

    Datasette's own error pages print tracebacks with the values of all variables, secrets among them; ours stand for them.
    """
    for other, _ in pm.list_plugin_distinfo():
        if pm.is_registered(other):
            pm.unregister(other)
    for name in ("datasette.handle_exception", "datasette.forbidden"):
        if pm.has_plugin(name):
            pm.unregister(name=name)
    for ours, name in ((plugin, "perfkit"), (dress, "perfkit-dress")):
        if not pm.is_registered(ours):
            pm.register(ours, name)
