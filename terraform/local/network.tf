locals {
  # Proof of ownership: another Clouder home may have a cluster of the same name on the same engine.
  owner = substr(sha256(var.ssh_public_key), 0, 16)

  network = "clouder-${var.cluster_name}"

  labels = join("\n", concat(
    ["clouder-cluster=${var.cluster_name}", "clouder-owner=${local.owner}"],
    [for key, value in var.tags : "${key}=${value}"],
  ))
}

# Made first and destroyed last. Its destroy step sweeps by label, since a terraform that was killed may
# have made a container or the network without writing them down, and destroy steps of tainted resources
# do not run.
resource "terraform_data" "cluster" {
  input = {
    cluster = var.cluster_name
    owner   = local.owner
    network = local.network
  }

  provisioner "local-exec" {
    command     = "${path.module}/scripts/preflight.sh"
    interpreter = ["/bin/sh"]
    environment = {
      IMAGE = var.options.image
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "${path.module}/scripts/sweep.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CLUSTER = self.input.cluster
      OWNER   = self.input.owner
      NETWORK = self.input.network
    }
  }
}

# A network of the cluster's own, so that addresses are fixed: certificates and etcd peers hold them, and
# Docker may swap the ones it hands out when it restarts.
resource "terraform_data" "network" {
  input = {
    cluster = terraform_data.cluster.output.cluster
    owner   = terraform_data.cluster.output.owner
    network = terraform_data.cluster.output.network
  }
  triggers_replace = [var.options.network_cidr]

  provisioner "local-exec" {
    command     = "${path.module}/scripts/network-create.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CLUSTER = self.input.cluster
      OWNER   = self.input.owner
      NETWORK = self.input.network
      CIDR    = var.options.network_cidr
      LABELS  = local.labels
    }
  }

  provisioner "local-exec" {
    when        = destroy
    command     = "${path.module}/scripts/sweep.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CLUSTER = self.input.cluster
      OWNER   = self.input.owner
      NETWORK = self.input.network
    }
  }
}
