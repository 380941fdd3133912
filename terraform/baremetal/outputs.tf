output "hosts" {
  description = "The machines: name, role, pool, ssh {host, port, user, bastion}, private_ip, public_ip, provider_id, zone"
  value = [for name, node in terraform_data.node : {
    name = name
    role = node.output.role
    pool = node.output.pool
    ssh = {
      host    = node.output.address
      port    = node.output.ssh_port
      user    = var.options.ssh_user
      bastion = var.options.bastion
    }
    private_ip  = node.output.address
    public_ip   = ""
    provider_id = "baremetal:///${var.cluster_name}/${name}"
    zone        = node.output.zone
  }]
}

output "api_endpoint" {
  description = "host:port of the Kubernetes API as certificates and nodes know it; never moves"
  value       = terraform_data.lb.output
}

output "api_access" {
  description = "host:port of the Kubernetes API from the machine that runs Clouder: the same"
  value       = terraform_data.lb.output
}

output "addon_values" {
  description = "What addons must know of this place; bare metal has nothing to tell"
  value       = {}
}
