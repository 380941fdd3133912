# The API endpoint: a haproxy that stands in front of the control plane from the first day, so that the
# address in certificates and kubeconfigs never moves when control planes come and go.
resource "terraform_data" "lb" {
  input = {
    name    = "${var.cluster_name}-lb"
    cluster = terraform_data.network.output.cluster
    owner   = terraform_data.network.output.owner
    network = terraform_data.network.output.network
  }
  triggers_replace = [var.options.lb_address, var.options.api_port]

  lifecycle {
    replace_triggered_by = [terraform_data.network.id]
  }

  provisioner "local-exec" {
    command     = "${path.module}/scripts/lb-create.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CONTAINER = self.input.name
      CLUSTER   = self.input.cluster
      OWNER     = self.input.owner
      NETWORK   = self.input.network
      ADDRESS   = var.options.lb_address
      API_PORT  = var.options.api_port
      IMAGE     = var.options.image
      LABELS    = local.labels
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

locals {
  haproxy_config = templatefile("${path.module}/haproxy.cfg.tftpl", {
    control_planes = { for name, node in var.nodes : name => node.address if node.role == "master" }
  })
}

# The backends follow the control planes: the file is put into the running container and haproxy reloads it,
# without dropping a connection.
resource "terraform_data" "lb_config" {
  triggers_replace = [terraform_data.lb.id, local.haproxy_config]

  provisioner "local-exec" {
    command     = "${path.module}/scripts/lb-config.sh"
    interpreter = ["/bin/sh"]
    environment = {
      CONTAINER = terraform_data.lb.output.name
      CONFIG    = local.haproxy_config
    }
  }
}
