"""The object in S3 that holds a state, when its cluster is gone."""

from __future__ import annotations

from importlib.util import find_spec

from clouder.errors import AccessError, ClouderError
from clouder.providers.aws_errors import FAULTS
from clouder.providers.fault import explain


def check() -> None:
    """Raise AccessError where the library is missing that a delete will need."""
    if find_spec("boto3") is None:
        raise AccessError("state: keeping it in S3 needs boto3", fix="pip install 'clouder[aws]'")


def remove(bucket: str, key: str, region: str) -> None:
    """Delete the object; one that is gone already is no fault. Raises ClouderError with the fix."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        boto3.client("s3", region_name=region).delete_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        if "NoSuchBucket" in str(error):
            return
        known = explain(FAULTS, str(error))
        raise known or ClouderError(f"cannot delete s3://{bucket}/{key}: {error}") from error
