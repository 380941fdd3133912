"""What AWS says when it refuses, from boto3 and from Terraform alike, and what to do about it."""

from __future__ import annotations

from clouder.errors import TerraformError
from clouder.providers.fault import AGAIN, Fault

LOG_IN = "aws configure (keys), aws sso login (SSO), or set AWS_PROFILE; then: clouder aws info"

FAULTS = (
    Fault(
        r"(unable to locate credentials|no valid credential sources|no EC2 IMDS role found)",
        "AWS: unable to locate credentials",
        LOG_IN,
    ),
    Fault(r"(partial credentials found)", "AWS: one half of the credentials is missing", LOG_IN),
    Fault(
        r"((?:config profile \(\S+\) could not be found)|(?:failed to get shared config profile, \S+))",
        "AWS: {0}",
        "aws configure list-profiles shows those there are; set AWS_PROFILE to one",
    ),
    Fault(
        r"(error loading sso token|sso session .{0,80}(?:expired|invalid)|refresh cached SSO token"
        r"|token has expired and refresh failed|UnauthorizedException.{0,40}GetRoleCredentials)",
        "AWS: the SSO session has expired",
        f"aws sso login, then {AGAIN}",
    ),
    Fault(
        r"(ExpiredToken|RequestExpired)",
        "AWS: the credentials have expired ({0})",
        f"get new ones (aws sso login, or from whoever gave them), then {AGAIN}",
    ),
    Fault(
        r"(InvalidClientTokenId|UnrecognizedClientException|AuthFailure|SignatureDoesNotMatch"
        r"|InvalidAccessKeyId|IncompleteSignature|InvalidSignatureException)",
        "AWS does not accept these credentials ({0})",
        "clouder aws info, after a look at AWS_PROFILE, ~/.aws/credentials and the clock of this machine",
    ),
    Fault(
        r"is not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)",
        "AWS: your user or role may not do {0}",
        "have it allowed; docs/providers/aws.md lists what Clouder needs",
    ),
    Fault(
        r"(UnauthorizedOperation|AccessDenied)",
        "AWS: your user or role may not do this ({0})",
        "have it allowed; docs/providers/aws.md lists what Clouder needs",
    ),
    Fault(
        r"(Throttling|RequestLimitExceeded|TooManyRequests|SlowDown)",
        "AWS has had too many requests from this account just now ({0})",
        f"wait a minute, then {AGAIN}",
    ),
    Fault(
        r"key pair '?(\S+?)'? does not exist",
        "the key pair {0} is gone from AWS",
        f"{AGAIN}: it is made anew",
        TerraformError,
    ),
    Fault(
        r"(InvalidKeyPair\.Duplicate|EntityAlreadyExists|InvalidGroup\.Duplicate|DuplicateLoadBalancerName)",
        "AWS has something of this name already ({0}), made by a run that was killed",
        "clouder k8s delete NAME removes what bears the cluster's tags; then create it again",
        TerraformError,
    ),
    Fault(
        r"(InsufficientInstanceCapacity)",
        "AWS has no machine of this size free in the zone just now",
        f"{AGAIN} later, or choose another size or region",
        TerraformError,
    ),
    Fault(
        r"(\w*LimitExceeded|InsufficientFreeAddressesInSubnet|MaxSpotInstanceCountExceeded)",
        "a limit of the AWS account is reached ({0})",
        "ask for more under Service Quotas in the AWS console, or for fewer or smaller nodes",
        TerraformError,
    ),
    Fault(
        r"(OptInRequired|InvalidOptInStatus)",
        "the AWS account is not signed up for this region or service ({0})",
        "clouder aws regions shows the regions that are open to the account",
    ),
    Fault(
        r"(your query returned no results)",
        "this region has no image of Debian 13",
        "choose another region: clouder aws regions",
        TerraformError,
    ),
    Fault(
        r"(DependencyViolation)",
        "something that Kubernetes made, such as a load balancer or a volume, still uses the network",
        "delete the Services of type LoadBalancer, then clouder k8s delete NAME again",
        TerraformError,
    ),
    Fault(
        r"(could not connect to the endpoint URL|(?:connect|read) timeout on endpoint|connection was closed"
        r"|failed to connect to proxy|no such host|i/o timeout)",
        "AWS does not answer: {0}",
        "see whether the region exists (clouder aws regions), then the network and proxy of this machine",
    ),
)
