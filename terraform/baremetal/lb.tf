# The API endpoint is a name or an address that the owner keeps: it stands in certificates and kubeconfigs, so
# that a change of it would cost the cluster. As a replacement it is seen in the plan, and refused.
resource "terraform_data" "lb" {
  input            = var.options.endpoint
  triggers_replace = [var.options.endpoint]
}
