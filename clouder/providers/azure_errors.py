"""What Azure says when it refuses, from its SDK, its CLI and Terraform alike, and what to do about it."""

from __future__ import annotations

from clouder.errors import AccessError, ClouderError, TerraformError
from clouder.providers.fault import AGAIN, Fault
from clouder.providers.fault import explain as explain_by

SIGN_IN = (
    "az login, or clouder azure configure (a service principal), or set AZURE_TENANT_ID, AZURE_CLIENT_ID "
    "and AZURE_CLIENT_SECRET; then: clouder azure"
)
NETWORK = "see the network and the proxy of this machine, AZURE_AUTHORITY_HOST and ARM_ENVIRONMENT"
SUBSCRIPTIONS = "clouder azure subscriptions lists those you may use; then: clouder ctx set azure ID"
ROLE = (
    "have a role assigned, such as: az role assignment create --assignee WHO --role Contributor "
    "--scope /subscriptions/ID; it takes some minutes to count. docs/providers/azure-login.md says which"
)

# The first that fits is told, so what is particular stands before what is general.
FAULTS = (
    # Signing in
    Fault(
        r"(AADSTS7000222|client secret keys for app .{0,80} are expired)",
        "Azure: the client secret of the service principal has expired",
        "make a new one (az ad app credential reset --id CLIENT_ID), then: clouder azure configure",
    ),
    Fault(
        r"(AADSTS7000215|AADSTS7000216)",
        "Azure: the client secret of the service principal is wrong",
        "clouder azure configure with the secret's value, which is not its id",
    ),
    Fault(
        r"(AADSTS700016|unauthorized_client)",
        "Azure: the tenant has no service principal of this client id",
        "look at both ids (az ad sp show --id CLIENT_ID), then: clouder azure configure",
    ),
    Fault(
        r"(AADSTS90002|AADSTS900023|double check your tenant name)",
        "Azure: there is no tenant of this id",
        "az account show --query tenantId tells it; then: clouder azure configure",
    ),
    Fault(
        r"(AADSTS50076|AADSTS50079|AADSTS50173|AADSTS70043|AADSTS700082|AADSTS50078|ExpiredAuthenticationToken"
        r"|interaction_required|refresh token has expired)",
        "Azure: the login has expired ({0})",
        f"az login, then {AGAIN}",
    ),
    Fault(
        r"(invalid_client)",
        "Azure does not accept the service principal ({0})",
        "clouder azure configure with its tenant, client id and secret as they are now",
    ),
    Fault(r"(AADSTS\d+)", "Azure does not let you sign in ({0})", SIGN_IN),
    Fault(
        r"(InvalidAuthenticationTokenTenant)",
        "Azure: the subscription belongs to another tenant than the login",
        "az login --tenant TENANT, or clouder azure configure with the tenant of the subscription",
    ),
    Fault(
        r"(InvalidAuthenticationToken|AuthenticationFailed)",
        "Azure does not accept this login ({0})",
        f"look at the clock of this machine; {SIGN_IN}",
    ),
    # What the account may do
    Fault(
        r"\bAuthorizationFailed\b.{0,400}?perform action '([^']+)'",
        "Azure: your account may not do {0} (AuthorizationFailed)",
        ROLE,
    ),
    Fault(
        r"(LinkedAuthorizationFailed|AuthorizationFailed|status 403)",
        "Azure: your account may not do this ({0})",
        ROLE,
    ),
    Fault(
        r"(RequestDisallowedByPolicy)",
        "Azure: a policy of the subscription forbids this ({0})",
        "the lines above name the policy; choose a region and sizes it allows, or have it changed",
    ),
    # Subscriptions
    Fault(
        r"(SubscriptionNotFound|InvalidSubscriptionId|subscription of .{0,80} doesn't exist"
        r"|The subscription '?[\w-]+'? could not be found)",
        "Azure: there is no such subscription, or your account does not see it (SubscriptionNotFound)",
        SUBSCRIPTIONS,
    ),
    Fault(
        r"(ReadOnlyDisabledSubscription|SubscriptionNotActive|DisabledSubscription)",
        "Azure: the subscription is disabled ({0})",
        "see its state in the Azure portal (unpaid, a trial that ended), or choose another: "
        "clouder azure subscriptions",
    ),
    Fault(
        r"MissingSubscriptionRegistration.{0,400}?namespace '([\w.]+)'",
        "Azure: the subscription is not registered for {0}",
        f"az provider register --wait --namespace {{0}}, then {AGAIN}",
    ),
    Fault(
        r"(LocationNotAvailableForResourceType|NoRegisteredProviderFound)",
        "Azure has nothing of this kind in the region ({0})",
        "choose another region: clouder azure regions",
    ),
    # Too much
    Fault(
        r"(TooManyRequests|SubscriptionRequestsThrottled|status 429)",
        "Azure has had too many requests from this subscription just now ({0})",
        f"wait a minute, then {AGAIN}",
    ),
    Fault(
        r"(SkuNotAvailable)",
        "Azure has no machine of this size for the subscription in the region or zone ({0})",
        "choose another size or region; az vm list-skus --location REGION --all --output table shows both",
        TerraformError,
    ),
    Fault(
        r"(QuotaExceeded|exceeding approved .{0,60}quota|PublicIPCountLimitReached)",
        "a quota of the Azure subscription is reached ({0})",
        "ask for more under Quotas in the Azure portal, or for fewer or smaller nodes",
        TerraformError,
    ),
    Fault(
        r"(ZonalAllocationFailed|OverconstrainedZonalAllocationRequest|OverconstrainedAllocationRequest"
        r"|AllocationFailed)",
        "Azure has no machine of this size free just now ({0})",
        f"{AGAIN} later, or choose another size or region",
        TerraformError,
    ),
    # What a run that was killed, or Kubernetes, left
    Fault(
        r"(needs to be imported into the State|ResourceGroupBeingDeleted)",
        "Azure has something of this name already, or is still deleting it ({0})",
        "clouder k8s delete NAME removes what bears the cluster's tags; then create it again",
        TerraformError,
    ),
    Fault(
        r"(InUseSubnetCannotBeDeleted|Resource Group still contains Resources|NicInUse|PublicIPAddressInUse)",
        "something that Kubernetes made, such as a load balancer or a disk, still uses the network ({0})",
        "delete the Services of type LoadBalancer, then clouder k8s delete NAME again",
        TerraformError,
    ),
    # Nobody there, and nobody signed in: last, since longer texts name them too
    Fault(
        r"(CERTIFICATE_VERIFY_FAILED|certificate verify failed)",
        "Azure's certificate is not trusted by this machine",
        "a proxy may stand between: name the file with its certificate in SSL_CERT_FILE",
    ),
    Fault(
        r"(timed out|Connection refused|Failed to resolve|Name or service not known|Max retries exceeded"
        r"|no such host|i/o timeout|Connection aborted|Connection reset)",
        "Azure does not answer: {0}",
        NETWORK,
    ),
    Fault(
        r"(DefaultAzureCredential failed|Azure CLI not found on path|Please run 'az login'"
        r"|could not configure AzureCli Authorizer|unable to build authorizer"
        r"|Failed to invoke the Azure CLI)",
        "Azure: nobody is signed in ({0})",
        SIGN_IN,
    ),
)


def explain(text: str) -> ClouderError | None:
    """The error to raise for what Azure's SDK or CLI said; None when it is not known."""
    return explain_by(FAULTS, text)


def refused(text: str) -> ClouderError:
    """The same, with an error also for what is not known."""
    return explain(text) or AccessError(f"Azure refused: {text}", fix="clouder azure")
