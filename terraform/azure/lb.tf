# The API stands behind a load balancer with a name from the first day, so that what is in certificates and
# kubeconfigs never moves when control planes come and go.
#
# It is a public one, for nodes as well. Behind an inner one a control plane that asks for the API and is sent to
# itself would never get an answer; through this one it leaves by the NAT gateway, and the answer comes back.
resource "azurerm_public_ip" "lb" {
  name                = "api"
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = local.zones
  domain_name_label   = local.unique
  tags                = local.tags
}

resource "azurerm_lb" "lb" {
  name                = "api"
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  sku                 = "Standard"
  tags                = local.tags

  frontend_ip_configuration {
    name                 = "api"
    public_ip_address_id = azurerm_public_ip.lb.id
  }
}

resource "azurerm_lb_backend_address_pool" "api" {
  name            = "control-planes"
  loadbalancer_id = azurerm_lb.lb.id
}

resource "azurerm_lb_probe" "api" {
  name                = "api"
  loadbalancer_id     = azurerm_lb.lb.id
  protocol            = "Https"
  port                = 6443
  request_path        = "/readyz"
  interval_in_seconds = 5
}

resource "azurerm_lb_rule" "api" {
  name                           = "api"
  loadbalancer_id                = azurerm_lb.lb.id
  frontend_ip_configuration_name = "api"
  backend_address_pool_ids       = [azurerm_lb_backend_address_pool.api.id]
  probe_id                       = azurerm_lb_probe.api.id
  protocol                       = "Tcp"
  frontend_port                  = 6443
  backend_port                   = 6443
  idle_timeout_in_minutes        = 30 # watches of the API are silent for long
  tcp_reset_enabled              = true
  disable_outbound_snat          = true # the NAT gateway is the way out
}

resource "azurerm_network_interface_backend_address_pool_association" "api" {
  for_each = { for name, node in var.nodes : name => node if node.role == "master" }

  network_interface_id    = azurerm_network_interface.node[each.key].id
  ip_configuration_name   = "node"
  backend_address_pool_id = azurerm_lb_backend_address_pool.api.id
}
