# One record for each machine. Nothing is made and nothing is destroyed, but a machine with another address is
# another machine: Terraform plans to replace it, and Clouder refuses that for a control plane.
resource "terraform_data" "node" {
  for_each = var.nodes

  input = {
    role     = each.value.role
    pool     = each.value.pool
    address  = each.value.address
    ssh_port = each.value.ssh_port
    zone     = var.region
  }
  triggers_replace = [each.value.role, each.value.address]

  lifecycle {
    precondition {
      condition     = length(var.host_keys) == 0
      error_message = "Machines that are there have host keys of their own: host_keys is empty."
    }
  }
}
