output "hosts" {
  description = "The machines: name, role, pool, ssh {host, port, user}, private_ip, public_ip, provider_id, zone"
  value = [for name, node in terraform_data.node : {
    name        = name
    role        = node.output.role
    pool        = node.output.pool
    ssh         = { host = "127.0.0.1", port = node.output.ssh_port, user = "root" }
    private_ip  = node.output.address
    public_ip   = ""
    provider_id = "local:///${var.cluster_name}/${name}"
    zone        = var.region
  }]
}

output "api_endpoint" {
  description = "host:port of the Kubernetes API as certificates and nodes know it; never moves"
  value       = "${var.options.lb_address}:6443"
  depends_on  = [terraform_data.lb_config]
}

output "api_access" {
  description = "host:port of the Kubernetes API from the machine that runs Clouder"
  value       = "127.0.0.1:${var.options.api_port}"
  depends_on  = [terraform_data.lb_config]
}

output "addon_values" {
  description = "What addons must know of this place; the local provider has nothing to tell"
  value       = {}
}
