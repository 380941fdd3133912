"""The part of a spec that says where Terraform keeps its state; there is no field for credentials."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clouder.machines import Model

# What stands in them is written into backend.tf as it is: no quote and no ${ can be among it.
Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\z")]
Key = Annotated[
    str,
    StringConstraints(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._/-]{0,510}[A-Za-z0-9._-])?)?\z"),
    Field(description="Name of the object; empty: clouder/CLUSTER/terraform.tfstate"),
]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{2,32}\z")]
KmsKey = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9:/_-]{0,2048}\z"),
    Field(description="Id, alias or ARN of the key that encrypts it; empty: the bucket's own way"),
]
ResourceGroup = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]\z")]
Account = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{3,24}\z")]
Container = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])\z")]

HERE = "this machine"


class LocalState(Model):
    """In the workspace, on this machine."""

    backend: Literal["local"] = "local"

    @property
    def terraform(self) -> str:
        """The oldest Terraform that can keep it there."""
        return "1.5"

    def settings(self, cluster: str) -> dict[str, str | bool]:  # noqa: ARG002
        """The arguments of the backend block."""
        return {}

    def place(self, cluster: str) -> str:  # noqa: ARG002
        """Where it is, for a reader."""
        return HERE


class S3State(Model):
    """In a bucket of S3, or of a store that speaks its language."""

    backend: Literal["s3"]
    bucket: Bucket
    key: Key = ""
    region: Region
    use_lockfile: Annotated[bool, Field(description="Lock by an object beside it; needs Terraform 1.10")] = (
        True
    )
    kms_key_id: KmsKey = ""

    @property
    def terraform(self) -> str:
        """The oldest Terraform that can keep it there."""
        return "1.10" if self.use_lockfile else "1.5"

    def settings(self, cluster: str) -> dict[str, str | bool]:
        """The arguments of the backend block."""
        settings: dict[str, str | bool] = {
            "bucket": self.bucket,
            "key": self.object_key(cluster),
            "region": self.region,
            "encrypt": True,
        }
        settings |= {"use_lockfile": True} if self.use_lockfile else {}
        return settings | ({"kms_key_id": self.kms_key_id} if self.kms_key_id else {})

    def object_key(self, cluster: str) -> str:
        """The name of the object."""
        return self.key or _default_key(cluster)

    def place(self, cluster: str) -> str:
        """Where it is, for a reader."""
        return f"s3://{self.bucket}/{self.object_key(cluster)}"


class AzureState(Model):
    """In a container of an Azure storage account; it is locked by a lease."""

    backend: Literal["azurerm"]
    resource_group_name: ResourceGroup
    storage_account_name: Account
    container_name: Container
    key: Key = ""

    @property
    def terraform(self) -> str:
        """The oldest Terraform that can keep it there."""
        return "1.5"

    def settings(self, cluster: str) -> dict[str, str | bool]:
        """The arguments of the backend block."""
        return {
            "resource_group_name": self.resource_group_name,
            "storage_account_name": self.storage_account_name,
            "container_name": self.container_name,
            "key": self.key or _default_key(cluster),
        }

    def place(self, cluster: str) -> str:
        """Where it is, for a reader."""
        return (
            f"azurerm://{self.storage_account_name}/{self.container_name}/{self.key or _default_key(cluster)}"
        )


def _default_key(cluster: str) -> str:
    return f"clouder/{cluster}/terraform.tfstate"


State = Annotated[
    LocalState | S3State | AzureState,
    Field(discriminator="backend", description="Where Terraform keeps its state"),
]
