"""kubeadm's admin.conf made into the kubeconfig of an operator: another address, names of its own."""

from __future__ import annotations

from clouder.errors import RemoteError
from clouder.spec import load_yaml


def for_operator(text: str, *, cluster: str, access: str) -> str:
    """The kubeconfig that reaches the API at `access` (host:port); raises RemoteError when `text` is not one.

    Cluster, user and context are all called `clouder-<cluster>`, so that many can live in one file.
    """
    import yaml

    name = f"clouder-{cluster}"
    try:
        config = load_yaml(text, source="admin.conf")
        [found], [user] = config["clusters"], config["users"]
        server = {**found["cluster"], "server": f"https://{access}"}
        made = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": user["user"]}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise RemoteError("the admin.conf of the control plane is not a kubeconfig") from error
    return yaml.safe_dump(made, sort_keys=False)
