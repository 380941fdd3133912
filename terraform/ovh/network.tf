locals {
  # Two Clouder homes may have clusters of the same name in one project: names and tags tell them apart.
  owner  = substr(sha256(var.ssh_public_key), 0, 16)
  unique = "clouder-${var.cluster_name}-${substr(local.owner, 0, 8)}"

  metadata = merge(var.tags, {
    "clouder-cluster" = var.cluster_name
    "clouder-owner"   = local.owner
  })

  # Networks, routers and load balancers have tags of one word each, servers have pairs.
  tags = [for key, value in local.metadata : "${key}=${value}"]
}

data "openstack_networking_network_v2" "external" {
  name     = var.options.external_network
  external = true
}

# A network in the project's vRack. The project must have one, as every new one does.
resource "openstack_networking_network_v2" "network" {
  name           = local.unique
  admin_state_up = true
  tags           = local.tags
}

resource "openstack_networking_subnet_v2" "network" {
  name       = local.unique
  network_id = openstack_networking_network_v2.network.id
  cidr       = var.options.network_cidr
  ip_version = 4
  tags       = local.tags
}

# The way out, and the way in for floating addresses.
resource "openstack_networking_router_v2" "network" {
  name                = local.unique
  admin_state_up      = true
  external_network_id = data.openstack_networking_network_v2.external.id
  tags                = local.tags
}

resource "openstack_networking_router_interface_v2" "network" {
  router_id = openstack_networking_router_v2.network.id
  subnet_id = openstack_networking_subnet_v2.network.id
}
