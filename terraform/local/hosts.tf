# One systemd container for each node. terraform_data does not look at the container again after it was
# made: Clouder compares the engine with the state before each plan and asks for -replace of what is gone.
resource "terraform_data" "node" {
  for_each = var.nodes

  input = {
    name     = each.key
    cluster  = terraform_data.network.output.cluster
    owner    = terraform_data.network.output.owner
    network  = terraform_data.network.output.network
    role     = each.value.role
    pool     = each.value.pool
    size     = each.value.size
    address  = each.value.address
    ssh_port = each.value.ssh_port
  }
  # The image is not in here: a newer image must not re-make the nodes that run.
  triggers_replace = [each.value.role, each.value.pool, each.value.size, each.value.address, each.value.ssh_port]

  lifecycle {
    replace_triggered_by = [terraform_data.network.id]
  }

  # Three steps, since Terraform hides the output of a step that is given a secret: only the middle one is.
  provisioner "local-exec" {
    command     = "${path.module}/scripts/node-create.sh"
    interpreter = ["/bin/sh"]
    environment = {
      NODE     = each.key
      CLUSTER  = self.input.cluster
      OWNER    = self.input.owner
      NETWORK  = self.input.network
      ROLE     = each.value.role
      POOL     = each.value.pool
      SIZE     = each.value.size
      ADDRESS  = each.value.address
      SSH_PORT = each.value.ssh_port
      IMAGE    = var.options.image
      LABELS   = local.labels
    }
  }

  provisioner "local-exec" {
    command     = "${path.module}/scripts/node-files.sh"
    interpreter = ["/bin/sh"]
    environment = {
      NODE            = each.key
      HOST_KEY        = var.host_keys[each.key]
      AUTHORIZED_KEYS = var.ssh_public_key
    }
  }

  provisioner "local-exec" {
    command     = "${path.module}/scripts/start.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CONTAINER = each.key
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "${path.module}/scripts/remove.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CONTAINER = self.input.name
      OWNER     = self.input.owner
    }
  }
}
