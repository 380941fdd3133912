locals {
  # Two Clouder homes may have clusters of the same name in one subscription: names and tags tell them apart.
  owner  = substr(sha256(var.ssh_public_key), 0, 16)
  unique = "clouder-${var.cluster_name}-${substr(local.owner, 0, 8)}"

  tags = merge(var.tags, {
    "clouder-cluster" = var.cluster_name
    "clouder-owner"   = local.owner
  })

  group_id = "/subscriptions/${var.options.subscription_id}/resourceGroups/${local.unique}"

  zones = length(var.options.zones) > 0 ? var.options.zones : null

  # Control planes have a subnet of their own, which is how rules tell them from workers.
  subnets = {
    "control-plane" = cidrsubnet(var.options.network_cidr, 4, 0)
    "nodes"         = cidrsubnet(var.options.network_cidr, 4, 1)
  }
}

data "azurerm_client_config" "here" {}

# Everything of the cluster is in here, and so is what its controllers make: disks, load balancers, addresses.
# Azure would delete all of that with the group. The provider refuses to while it holds what Terraform did not
# make, and Clouder leaves that on: disks hold data.
resource "azurerm_resource_group" "network" {
  name     = local.unique
  location = var.region
  tags     = local.tags
}

resource "azurerm_virtual_network" "network" {
  name                = "network"
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  address_space       = [var.options.network_cidr]
  tags                = local.tags
}

resource "azurerm_subnet" "part" {
  for_each = local.subnets

  name                 = each.key
  resource_group_name  = azurerm_resource_group.network.name
  virtual_network_name = azurerm_virtual_network.network.name
  address_prefixes     = [each.value]

  # Azure gives new networks no way out of their own any more: the NAT gateway is the way out.
  default_outbound_access_enabled = false
}

# One address for whatever leaves the cluster, also for nodes that have one of their own. Nodes reach the API
# through its public load balancer, and by this address its rule knows them: one for all, now and later.
resource "azurerm_public_ip" "nat" {
  name                = "nat"
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = local.zones
  tags                = local.tags
}

resource "azurerm_nat_gateway" "nat" {
  name                    = "nat"
  resource_group_name     = azurerm_resource_group.network.name
  location                = var.region
  sku_name                = "Standard"
  idle_timeout_in_minutes = 10
  tags                    = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "nat" {
  nat_gateway_id       = azurerm_nat_gateway.nat.id
  public_ip_address_id = azurerm_public_ip.nat.id
}

resource "azurerm_subnet_nat_gateway_association" "part" {
  for_each = local.subnets # and not the resources: an import cannot go by what it does not know yet

  subnet_id      = azurerm_subnet.part[each.key].id
  nat_gateway_id = azurerm_nat_gateway.nat.id
}
