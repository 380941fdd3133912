# The API stands behind a load balancer from the first day, so that its addresses in certificates and kubeconfigs
# never move when control planes come and go: an inner one for nodes, a floating one for you.
locals {
  masters = { for name, node in var.nodes : name => node if node.role == "master" }
}

resource "openstack_lb_loadbalancer_v2" "api" {
  name          = "${local.unique}-api"
  vip_subnet_id = openstack_networking_subnet_v2.network.id
  tags          = local.tags
}

resource "openstack_lb_listener_v2" "api" {
  name            = "${local.unique}-api"
  loadbalancer_id = openstack_lb_loadbalancer_v2.api.id
  protocol        = "TCP"
  protocol_port   = 6443
  tags            = local.tags
  # Nodes come from the subnet; everybody else must be named.
  allowed_cidrs = distinct(concat([openstack_networking_subnet_v2.network.cidr], var.allowed_cidrs))
  # A watch of the API is silent for long.
  timeout_client_data = 3600000
  timeout_member_data = 3600000
}

resource "openstack_lb_pool_v2" "api" {
  name        = "${local.unique}-api"
  listener_id = openstack_lb_listener_v2.api.id
  protocol    = "TCP"
  lb_method   = "ROUND_ROBIN"
  tags        = local.tags
}

resource "openstack_lb_monitor_v2" "api" {
  name           = "${local.unique}-api"
  pool_id        = openstack_lb_pool_v2.api.id
  type           = "HTTPS"
  url_path       = "/readyz"
  expected_codes = "200"
  delay          = 10
  timeout        = 5
  max_retries    = 2
}

resource "openstack_lb_member_v2" "api" {
  for_each = local.masters

  name          = each.key
  pool_id       = openstack_lb_pool_v2.api.id
  subnet_id     = openstack_networking_subnet_v2.network.id
  address       = openstack_networking_port_v2.node[each.key].all_fixed_ips[0]
  protocol_port = 6443
  tags          = local.tags
}

resource "openstack_networking_floatingip_v2" "api" {
  pool        = data.openstack_networking_network_v2.external.name
  port_id     = openstack_lb_loadbalancer_v2.api.vip_port_id
  description = "${local.unique}-api"
  tags        = local.tags

  depends_on = [openstack_networking_router_interface_v2.network]
}
