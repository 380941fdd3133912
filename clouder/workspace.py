"""One directory per cluster: spec, generated Terraform and its state, keys, kubeconfig, journal, runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clouder import keys, locks, remote_state
from clouder.errors import AccessError, ClouderError, NotFoundError, TerraformError, UsageError
from clouder.runlog import Redactor, RunLog, append_json, new_run
from clouder.spec import NAME, dump, load_yaml, parse
from clouder.store import home, private_dir, write_private
from clouder.terraform_event import OnEvent, TerraformEvent, ignore

__all__ = ["OnEvent", "Outputs", "TerraformEvent", "Workspace", "clusters"]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clouder.plan import Plan
    from clouder.providers import Provider
    from clouder.spec import ClusterSpec
    from clouder.terraform import Terraform

HOST = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True)
class Outputs:
    """What a Terraform module tells about its machines."""

    hosts: tuple[dict[str, Any], ...]  # name, role, pool, ssh {host, port, user}, private_ip, public_ip, …
    api_endpoint: str  # host:port in certificates and for the nodes
    api_access: str  # host:port from this machine
    addon_values: dict[str, Any]


def clusters() -> Path:
    """Where the workspaces are."""
    return home().absolute() / "clusters"  # terraform runs in another directory


class Workspace:
    """The directory of one cluster, and the only thing that runs terraform."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._log: RunLog | None = None
        self._running: Terraform | None = None

    # Finding and making

    @staticmethod
    def names() -> list[str]:
        """The clusters there are, in order of their names."""
        return sorted(path.parent.name for path in clusters().glob("[a-z]*/cluster.yaml"))

    @staticmethod
    def open(name: str) -> Workspace:
        """The workspace of a cluster that exists; raises NotFoundError with the names of those that do."""
        path = clusters() / name
        if not NAME.match(name) or not (path / "cluster.yaml").is_file():
            known = ", ".join(Workspace.names()) or "none yet"
            raise NotFoundError(
                f"there is no cluster {name!r}; there are: {known}", fix=f"clouder k8s create {name}"
            )
        return Workspace(_no_link(path))

    @staticmethod
    def create(spec: ClusterSpec) -> Workspace:
        """A new workspace that holds the spec and nothing else; raises UsageError when the name is taken."""
        workspace = Workspace(private_dir(_no_link(clusters() / spec.name)))
        draft = workspace.path / f".cluster.yaml.{os.getpid()}"
        write_private(draft, dump(spec))
        try:
            os.link(draft, workspace.path / "cluster.yaml")  # of two at once, one
        except FileExistsError:
            raise UsageError(
                f"there is a cluster {spec.name} already",
                fix=f"clouder k8s status {spec.name}, or choose another name",
            ) from None
        finally:
            draft.unlink()
        return workspace

    def spec(self) -> ClusterSpec:
        """The resolved spec; raises SpecError when the file was damaged."""
        path = self.path / "cluster.yaml"
        return parse(load_yaml(path.read_bytes(), source=str(path)), source=str(path))

    def save_spec(self, spec: ClusterSpec) -> None:
        """Replace the spec."""
        write_private(self.path / "cluster.yaml", dump(spec))

    # Files others use

    @property
    def directory(self) -> Path:
        """The Terraform directory."""
        return self.path / "terraform"

    @property
    def kubeconfig(self) -> Path:
        """The operator's kubeconfig; there once the control plane was initialised."""
        return self.path / "kubeconfig"

    @property
    def admin_conf(self) -> Path:
        """kubeadm's admin.conf, as it is on the control plane."""
        return self.path / "admin.conf"

    def save_kubeconfig(self, text: str, access: str) -> None:
        """Keep admin.conf, and the kubeconfig made of it that reaches the API at `access` (host:port)."""
        from clouder.admin_conf import for_operator

        write_private(self.kubeconfig, for_operator(text, cluster=self.name, access=access))
        write_private(self.admin_conf, text)

    @property
    def key_file(self) -> Path:
        """The private key that logs in to the nodes."""
        return self.path / "keys" / "ssh_key"

    def host_key(self, node: str) -> str:
        """The pinned public SSH host key of `node`: made by `prepare`, or the machine's own that it found."""
        try:
            return self._pin(node).read_text().strip()
        except FileNotFoundError:
            raise NotFoundError(
                f"no host key of {node} is pinned yet", fix=f"clouder k8s create {self.name}"
            ) from None

    def _pin(self, node: str) -> Path:
        path = self._host_key_file(node)
        return path.with_name(path.name + ".pub")

    def _settle_host_keys(self, provider: Provider, spec: ClusterSpec, tfvars: Mapping[str, Any]) -> None:
        """A key for each node, which lives as long as the cluster: made here, or what the machine has."""
        nodes = [node.name for node in spec.nodes()]
        if provider.host_keys is None:
            for node in nodes:
                keys.ensure(self._host_key_file(node), node)
            return
        pinned = {node: self.host_key(node) for node in nodes if self._pin(node).exists()}
        for node, key in provider.host_keys(spec, tfvars, pinned).items():
            if pinned.get(node) != key:
                write_private(self._pin(node), f"{key}\n")

    def _settle_login(self, spec: ClusterSpec) -> str:
        """The public key that logs in; the user's own private key is led to, and never copied."""
        comment = f"clouder-{spec.name}"
        if spec.ssh is None:
            return keys.ensure(self.key_file, comment)
        return keys.adopt(self.key_file, Path(spec.ssh.key_file).expanduser(), comment)

    def _host_key_file(self, node: str) -> Path:
        if not HOST.match(node):
            raise NotFoundError(f"{node!r} is not the name of a node")
        return self.path / "keys" / "hosts" / node

    # Locking and logging

    @contextmanager
    def lock(self, command: str, *, on_event: OnEvent | None = None) -> Iterator[None]:
        """Work on the cluster alone while `command` runs; raises Aborted with the name of who does so now.

        A terraform that outlived a run which was killed is waited for: it uses the files of the workspace.
        """
        from clouder.terraform_process import settle

        tell = on_event or ignore
        with locks.hold(self.path / "lock", what=f"cluster {self.name}", command=command):
            settle(self._process_folder, lambda text: tell(TerraformEvent("waiting", "", text)))
            yield

    def run_log(self, command: str) -> RunLog:
        """A run folder of its own; what terraform says from now on goes there too."""
        self._log = new_run(self.path / "runs", command)
        for path in sorted((self.path / "keys").rglob("*")):
            if path.is_file() and path.suffix != ".pub":
                self._log.redactor.add(path.read_text())
        return self._log

    def journal(self, event: str, **fields: Any) -> None:
        """Append one line to what was ever done to the cluster."""
        redactor = self._log.redactor if self._log else Redactor()
        append_json(self.path / "journal.jsonl", redactor, event, fields)

    # Terraform

    def prepare(self, provider: Provider, spec: ClusterSpec) -> None:
        """Make what a plan needs: spec, keys, Terraform directory.

        The address lock spans all clusters of this home: two created at once must not choose the same ones.
        """
        from clouder import terraform_dir

        remote_state.check_place(self.path, spec)
        self.save_spec(spec)
        public_key = self._settle_login(spec)
        with locks.wait_for(self.path.parent.parent / "addresses.lock"):
            values = provider.tfvars(spec, terraform_dir.read_tfvars(self.directory))
            values["ssh_public_key"] = public_key
            terraform_dir.write(self.directory, terraform_dir.files(provider, values, spec.state))
        self._settle_host_keys(provider, spec, values)

    def plan(self, *, on_event: OnEvent | None = None) -> Plan:
        """What an apply would do, in a plan file that only its owner can read."""
        from clouder import plan, recovery, terraform_dir
        from clouder.terraform import FLAG, LOCK_TIMEOUT

        provider, spec = self._provider(), self.spec()
        terraform = self._terraform(provider, on_event)
        self._init(terraform)
        remote_state.claim(self.path, spec, lambda: recovery.addresses(terraform))
        recovery.recover(
            terraform, provider, spec, terraform_dir.read_tfvars(self.directory), self._process_folder
        )
        path = self.path / "plan"
        gone = _gone(terraform, provider.missing(spec))
        terraform.cmd("plan", input=False, lock_timeout=LOCK_TIMEOUT, out=str(path), replace=gone, json=FLAG)
        made = plan.read(path, terraform.ask("show", str(path)), starts=provider.stopped(spec))
        if not made.for_terraform:
            path.unlink()  # it holds the host keys, and nobody is going to apply it
        return made

    def check(self, plan: Plan, *, force: bool = False) -> None:
        """Raise TerraformError when the plan would lose a control plane, the network or the endpoint."""
        from clouder.plan import check

        masters = [node.name for node in self.spec().nodes() if node.role == "master"]
        known = self.outputs()
        living = [host["name"] for host in known.hosts if host["role"] == "master"] if known else []
        check(
            plan,
            control_planes={*masters, *living},
            living=set(living),
            initialised=self.kubeconfig.exists(),
            force=force,
        )

    def apply(self, plan: Plan, *, on_event: OnEvent | None = None) -> Outputs:
        """Carry out exactly this plan, start machines that are stopped, and return the outputs."""
        from clouder import recovery
        from clouder.terraform import FLAG, LOCK_TIMEOUT

        provider, spec = self._provider(), self.spec()
        terraform = self._terraform(provider, on_event)
        if plan.for_terraform:
            try:
                terraform.cmd("apply", str(plan.path), input=False, lock_timeout=LOCK_TIMEOUT, json=FLAG)
            except ClouderError:
                recovery.note_failure(self._process_folder)
                raise
            finally:
                plan.path.unlink(missing_ok=True)  # it holds the host keys
        if plan.starts:
            provider.start(spec, plan.starts)
        outputs = _outputs(terraform.ask("output"))
        write_private(self.path / "outputs.json", json.dumps(asdict(outputs), indent=2) + "\n")
        return outputs

    def outputs(self) -> Outputs | None:
        """What the last apply told; None before the first."""
        try:
            saved = json.loads((self.path / "outputs.json").read_text())
        except FileNotFoundError:
            return None
        return Outputs(**{**saved, "hosts": tuple(saved["hosts"])})

    def destroy(self, provider: Provider, *, on_event: OnEvent | None = None) -> None:
        """Destroy everything Terraform made for the cluster; files stay until `remove`."""
        from clouder import recovery, terraform_dir
        from clouder.terraform import FLAG, LOCK_TIMEOUT

        if not self._may_hold_machines():
            return
        self.prepare(provider, self.spec())  # a run that was killed may have left the directory half-written
        terraform = self._terraform(provider, on_event)
        self._init(terraform)
        recovery.adopt(terraform, provider, self.spec(), terraform_dir.read_tfvars(self.directory))
        terraform.cmd("destroy", auto_approve=FLAG, input=False, lock_timeout=LOCK_TIMEOUT, json=FLAG)
        provider.sweep(self.spec(), terraform_dir.read_tfvars(self.directory))
        (self.path / "outputs.json").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the directory; raises TerraformError while Terraform still holds something."""
        from clouder.recovery import addresses

        made = self._may_hold_machines()
        if made and (left := addresses(self._terraform(self._provider(), None))):
            raise TerraformError(
                f"cluster {self.name} still has {len(left)} resources",
                fix=f"clouder k8s delete {self.name}",
                details="\n".join(left),
            )
        if made:
            remote_state.remove(self.spec())
        # Renamed first: a removal that is killed half-way leaves no half cluster behind.
        doomed = self.path.with_name(f".removed-{self.name}-{os.getpid()}")
        self.path.rename(doomed)
        for path in doomed.parent.glob(".removed-*"):
            shutil.rmtree(path, ignore_errors=True)

    def cancel(self) -> None:
        """Stop the terraform that runs, as a Ctrl-C would; safe to call from any thread."""
        if self._running:
            self._running.cancel()

    @property
    def _process_folder(self) -> Path:
        return self.path / "process"

    def _was_prepared(self) -> bool:
        from clouder.terraform_dir import TFVARS

        return (self.directory / TFVARS).exists()

    def _may_hold_machines(self) -> bool:
        """A state that was never claimed is perhaps another cluster's, or in a bucket that does not exist."""
        return self._was_prepared() and remote_state.is_claimed(self.path, self.spec())

    def _provider(self) -> Provider:
        from clouder import providers

        return providers.provider_of(self.spec().provider)

    def _terraform(self, provider: Provider, on_event: OnEvent | None) -> Terraform:
        from clouder.terraform import Terraform

        files = {node.name: self._host_key_file(node.name) for node in self.spec().nodes()}
        host_keys = {name: path.read_text() for name, path in files.items() if path.exists()}
        scratch = self.path / "tmp"  # where a killed script may leave a file
        shutil.rmtree(scratch, ignore_errors=True)
        self._running = Terraform(
            self.directory,
            folder=self._process_folder,
            environment={
                "TMPDIR": str(private_dir(scratch)),
                "TF_VAR_host_keys": json.dumps(host_keys),
                **provider.environment(self.spec()),
            },
            faults=(*provider.faults, *remote_state.faults(self.spec())),
            log=self._log,
            on_event=on_event or ignore,
        )
        return self._running

    def _init(self, terraform: Terraform) -> None:
        """Make terraform ready, and the state whole."""
        from clouder import terraform_dir
        from clouder.terraform import LOCK_TIMEOUT

        terraform_dir.heal_state(self.directory)
        self._init_changed(terraform)
        unsaved = self.directory / "errored.tfstate"
        if unsaved.exists():  # its keeper was away at the end of an apply
            terraform.cmd("state push", str(unsaved), lock_timeout=LOCK_TIMEOUT)
            unsaved.unlink()

    def _init_changed(self, terraform: Terraform) -> None:
        """Only when the configuration has changed since the last time, as far as init cares."""
        from clouder.terraform import FLAG, binary

        digest = hashlib.sha256(
            binary().encode()
        )  # terraform and tofu get their providers from two registries
        for path in sorted(self.directory.rglob("*.tf")):
            if ".terraform" not in path.parts:
                digest.update(path.read_bytes())
        marker = self.directory / ".terraform" / "clouder.sha256"
        if marker.exists() and marker.read_text() == digest.hexdigest():
            return
        terraform.cmd("init", input=False, no_color=FLAG)
        write_private(marker, digest.hexdigest())


def _gone(terraform: Terraform, missing: tuple[str, ...]) -> list[str]:
    """Full addresses of what the provider misses and Terraform believes in."""
    from clouder.recovery import addresses

    wanted = {f"module.cluster.{address}" for address in missing}
    return sorted(wanted & set(addresses(terraform))) if wanted else []


def _outputs(shown: Mapping[str, Any]) -> Outputs:
    values = {name: item["value"] for name, item in shown.items()}
    return Outputs(
        tuple(values["hosts"]), values["api_endpoint"], values["api_access"], values["addon_values"]
    )


def _no_link(path: Path) -> Path:
    """A workspace that is a symbolic link could lead a deletion anywhere."""
    if path.is_symlink():
        raise AccessError(f"{path} is a symbolic link", fix="put the directory itself there")
    return path
