output "hosts" {
  description = "The machines: name, role, pool, ssh {host, port, user}, private_ip, public_ip, provider_id, zone"
  value = [for name, node in azurerm_linux_virtual_machine.node : {
    name        = name
    role        = var.nodes[name].role
    pool        = var.nodes[name].pool
    ssh         = { host = azurerm_public_ip.node[name].ip_address, port = 22, user = "clouder" }
    private_ip  = node.private_ip_address
    public_ip   = azurerm_public_ip.node[name].ip_address
    provider_id = "azure://${node.id}"
    zone        = var.nodes[name].zone == "" ? "" : "${var.region}-${var.nodes[name].zone}"
  }]
}

output "api_endpoint" {
  description = "host:port of the Kubernetes API as certificates and nodes know it; never moves"
  value       = "${azurerm_public_ip.lb.fqdn}:6443"
  depends_on  = [azurerm_lb_rule.api, azurerm_network_interface_backend_address_pool_association.api, azurerm_network_security_rule.allow]
}

output "api_access" {
  description = "host:port of the Kubernetes API from the machine that runs Clouder; never moves"
  value       = "${azurerm_public_ip.lb.fqdn}:6443"
  depends_on  = [azurerm_lb_rule.api, azurerm_network_interface_backend_address_pool_association.api, azurerm_network_security_rule.allow]
}

output "addon_values" {
  description = "What addons must know of this place: region, tenant_id, subscription_id, resource_group, network, node_subnet, node_security_group and identity_client_id of the control planes"
  # Names as they stand in the module: an import passes here while some of the parts are not there yet.
  value = {
    region              = var.region
    tenant_id           = data.azurerm_client_config.here.tenant_id
    subscription_id     = var.options.subscription_id
    resource_group      = azurerm_resource_group.network.name
    network             = azurerm_virtual_network.network.name
    node_subnet         = "nodes"
    node_security_group = "nodes"
    identity_client_id  = azurerm_user_assigned_identity.control_plane.client_id
  }
}
