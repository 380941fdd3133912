"""Where the state is kept: in the spec, in the Terraform, and for real in a bucket of moto's S3."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from clouder import terraform_dir
from clouder.cluster import check
from clouder.errors import AccessError, SpecError, TerraformError, UsageError
from clouder.providers.baremetal import BAREMETAL
from clouder.spec import dump, load_yaml, parse, schema
from clouder.store import home
from clouder.workspace import Workspace
from tests import awslab, goldens, tinynodes
from tests.lint import terraform
from tests.tinynodes import apply, cluster_name, containers, delete, leftovers, spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouder.workspace import TerraformEvent

S3 = {"backend": "s3", "bucket": "our-states", "region": "eu-west-1"}
AZURE = {
    "backend": "azurerm",
    "resourceGroupName": "states",
    "storageAccountName": "ourstates",
    "containerName": "tfstate",
}
KMS = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDER_HOME", str(tmp_path / "home"))


RIGHT = [
    ({"backend": "local"}, "this machine"),
    (S3, "s3://our-states/clouder/demo/terraform.tfstate"),
    ({**S3, "key": "k8s/demo.tfstate", "useLockfile": False}, "s3://our-states/k8s/demo.tfstate"),
    ({**S3, "kmsKeyId": KMS}, "s3://our-states/clouder/demo/terraform.tfstate"),
    (AZURE, "azurerm://ourstates/tfstate/clouder/demo/terraform.tfstate"),
    ({**AZURE, "key": "demo"}, "azurerm://ourstates/tfstate/demo"),
]


@pytest.mark.parametrize(("state", "place"), RIGHT, ids=[row[1] for row in RIGHT])
def test_a_state_has_a_place_and_survives_a_round_trip(state: dict[str, Any], place: str) -> None:
    spec = parse({"name": "demo", "state": state})
    assert spec.state.place("demo") == place
    assert parse(load_yaml(dump(spec))) == spec
    assert ("state:" in dump(spec)) == (state["backend"] != "local")


WRONG = [
    ("there", "state"),
    ({}, "discriminator 'backend'"),
    ({"backend": "gcs"}, "'local', 's3', 'azurerm'"),
    ({"backend": "local", "path": "/tmp/x"}, "state.local.path: is not a known field"),
    ({"backend": "s3", "bucket": "our-states"}, "state.s3.region: is missing"),
    ({"backend": "s3", "region": "eu-west-1"}, "state.s3.bucket: is missing"),
    ({**S3, "bucket": "Our"}, "state.s3.bucket: has a form that is not allowed"),
    ({**S3, "bucket": 'x"\n}'}, "state.s3.bucket: has a form that is not allowed"),
    ({**S3, "key": "${file(1)}"}, "state.s3.key: has a form that is not allowed"),
    ({**S3, "key": "/a"}, "state.s3.key: has a form that is not allowed"),
    ({**S3, "key": "a/"}, "state.s3.key: has a form that is not allowed"),
    ({**S3, "region": "EU"}, "state.s3.region: has a form that is not allowed"),
    ({**S3, "useLockfile": "yes"}, "state.s3.useLockfile"),
    ({**S3, "kmsKeyId": "a b"}, "state.s3.kmsKeyId: has a form that is not allowed"),
    ({**S3, "accessKey": "AKIA"}, "state.s3.accessKey: is not a known field"),
    ({**S3, "secretKey": "x"}, "state.s3.secretKey: is not a known field"),
    ({**AZURE, "accessKey": "x"}, "state.azurerm.accessKey: is not a known field"),
    ({**AZURE, "storageAccountName": "our-states"}, "state.azurerm.storageAccountName: has a form"),
    ({**AZURE, "containerName": "-x"}, "state.azurerm.containerName: has a form"),
    ({**AZURE, "resourceGroupName": "x."}, "state.azurerm.resourceGroupName: has a form"),
]


@pytest.mark.parametrize(("state", "told"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_state_is_refused(state: Any, told: str) -> None:
    with pytest.raises(SpecError, match="state") as refused:
        parse({"name": "demo", "state": state})
    assert told in refused.value.message


def test_the_schema_of_the_state_is_the_golden_one() -> None:
    parts = {name: part for name, part in schema()["$defs"].items() if name.endswith("State")}
    goldens.check("spec/state.json", json.dumps([schema()["properties"]["state"], parts], indent=2) + "\n")


def test_s3_without_its_library_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clouder.providers.aws_state.find_spec", lambda _: None)
    with pytest.raises(AccessError, match="needs boto3") as refused:
        check(parse({"name": "demo", "state": S3}))
    assert refused.value.fix == "pip install 'clouder[aws]'"


# In the Terraform

ROOTS = {
    "s3": S3,
    "s3-kms": {**S3, "key": "k8s/demo.tfstate", "kmsKeyId": KMS},
    "s3-no-lock": {**S3, "useLockfile": False},
    "azurerm": AZURE,
}


def rendered(state: dict[str, Any]) -> dict[str, str]:
    hosts = {"master": "10.0.0.1"}
    ssh = {"user": "ubuntu", "keyFile": "~/.ssh/id_ed25519"}
    spec = parse({"name": "demo", "provider": "baremetal", "hosts": hosts, "ssh": ssh, "state": state})
    values = {**BAREMETAL.tfvars(spec, {}), "ssh_public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGolden"}
    return terraform_dir.files(BAREMETAL, values, spec.state)


@pytest.mark.parametrize("name", ROOTS)
def test_the_golden_backend_is_rendered(name: str) -> None:
    made = rendered(ROOTS[name])
    goldens.check(f"terraform/backend/{name}.tf", made["backend.tf"])
    assert ('">= 1.10, < 2.0"' in made["versions.tf"]) == ("use_lockfile" in made["backend.tf"])
    assert "at `s3://" in made["README.md"] or "at `azurerm://" in made["README.md"]


@pytest.mark.terraform
@pytest.mark.parametrize("name", ROOTS)
def test_terraform_takes_the_backend(name: str, tmp_path: Path) -> None:
    terraform_dir.write(tmp_path, rendered(ROOTS[name]))
    for command in (["fmt", "-check", "-recursive"], ["init", "-backend=false"], ["validate"]):
        argv = [terraform(), *command]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# In a bucket

BUCKET = "our-states"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An account with an S3, for all tests of the module."""
    folder = tmp_path_factory.mktemp("s3")
    patch = pytest.MonkeyPatch()
    engine = tinynodes.engine()  # found before anything moves
    with awslab.moto_server(folder) as url:
        for name, value in {**engine, **awslab.environment(url, folder)}.items():
            patch.setenv(name, value)
        yield
    patch.undo()


@pytest.fixture
def name(lab: None) -> Iterator[str]:
    """The name of a cluster, and an empty bucket for its state."""
    _make_bucket()
    with cluster_name() as free:
        yield free
    _remove_bucket()


def _s3() -> Any:
    return boto3.client("s3", region_name=awslab.REGION)


def _make_bucket() -> None:
    where = {"LocationConstraint": awslab.REGION}
    _s3().create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)


def _remove_bucket() -> None:
    for key in objects():
        _s3().delete_object(Bucket=BUCKET, Key=key)
    _s3().delete_bucket(Bucket=BUCKET)


def objects() -> list[str]:
    return [item["Key"] for item in _s3().list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def stored(name: str, workers: int = 0, **fields: Any) -> Any:
    return spec_of(name, workers, state={**S3, "region": awslab.REGION, **fields})


def key_of(name: str) -> str:
    return f"clouder/{name}/terraform.tfstate"


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_a_cluster_lives_with_its_state_in_the_bucket(name: str) -> None:
    apply(stored(name))
    assert objects() == [key_of(name)]  # and the lock is gone again
    held = json.loads(_s3().get_object(Bucket=BUCKET, Key=key_of(name))["Body"].read())
    assert {item["name"] for item in held["resources"]} >= {"cluster", "network", "node"}
    folder = Workspace.open(name).path
    assert not (folder / "terraform" / "terraform.tfstate").exists()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"testing" not in path.read_bytes(), path  # the credentials of the lab

    assert apply(stored(name))[0].empty
    assert apply(stored(name, 1))[0].creates == (f"{name}-node-1",)

    delete(name)
    assert objects() == []
    assert leftovers(name, set()) == []


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_who_holds_the_lock_is_named_and_the_next_run_goes_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clouder.terraform.LOCK_TIMEOUT", "1s")
    lock = {
        "ID": "0a1b2c3d-1111-4222-8333-444455556666",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": "anna@laptop",
        "Version": "1.11.4",
        "Created": "2026-11-24T17:00:00Z",
        "Path": f"{BUCKET}/{key_of(name)}",
    }
    _s3().put_object(Bucket=BUCKET, Key=f"{key_of(name)}.tflock", Body=json.dumps(lock).encode())
    with pytest.raises(TerraformError, match="locked by anna@laptop since 2026-11-24") as refused:
        apply(stored(name))
    assert f"terraform force-unlock {lock['ID']}" in refused.value.fix
    assert leftovers(name, set()) == []
    _s3().delete_object(Bucket=BUCKET, Key=f"{key_of(name)}.tflock")
    apply(stored(name))
    assert f"{name}-master" in containers(name)
    delete(name)


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_a_bucket_that_is_not_there_is_named_and_the_cluster_can_be_deleted(name: str) -> None:
    with pytest.raises(AccessError, match="the bucket of the state does not exist"):
        apply(stored(name, bucket="nobodys-bucket"))
    delete(name)
    assert Workspace.names() == []


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_a_state_of_another_cluster_is_refused_and_left_alone(name: str) -> None:
    apply(stored(name, key="shared"))
    with cluster_name() as other:
        with pytest.raises(UsageError, match="is of another cluster"):
            apply(stored(other, key="shared"))
        delete(other)
    assert objects() == ["shared"]
    assert apply(stored(name, key="shared"))[0].empty
    delete(name)


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_a_state_that_could_not_be_saved_is_saved_by_the_next_run(name: str) -> None:
    """The bucket goes away while terraform works, and comes back."""

    def tell(event: TerraformEvent) -> None:
        if event.kind == "apply_complete" and "network" in event.address:
            _remove_bucket()

    with pytest.raises((TerraformError, AccessError)):
        apply(stored(name), on_event=tell)
    assert (Workspace.open(name).directory / "errored.tfstate").exists()
    _make_bucket()
    apply(stored(name))
    assert not (Workspace.open(name).directory / "errored.tfstate").exists()
    assert apply(stored(name))[0].empty
    delete(name)
    assert leftovers(name, set()) == []


@pytest.mark.terraform
@pytest.mark.timeout(300)
def test_a_state_is_not_moved(name: str) -> None:
    apply(spec_of(name, 0))
    with pytest.raises(
        SpecError, match=f"it is on this machine, and Clouder does not move it to s3://{BUCKET}"
    ):
        apply(stored(name))
    assert Workspace.open(name).spec() == spec_of(name, 0)
    assert objects() == []
    assert apply(spec_of(name, 0))[0].empty
    delete(name)

    apply(stored(name))
    with pytest.raises(SpecError, match=f"it is at s3://{BUCKET}/.*does not move it to this machine"):
        apply(spec_of(name, 0))
    delete(name)
    assert objects() == []
    assert list((home() / "clusters").iterdir()) == []
