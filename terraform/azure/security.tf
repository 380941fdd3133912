# One group of rules for each subnet. The cloud controller manager adds its own rules to the one of the nodes, from
# priority 500 on: ours stand below, and what they do not let in is turned away at the end.
#
# Azure lets everything in one network talk, unless a rule says otherwise; ours do. Pods talk inside Flannel's
# VXLAN, so that their ports are not seen here.
resource "azurerm_network_security_group" "part" {
  for_each = local.subnets

  name                = each.key
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  tags                = local.tags
}

resource "azurerm_subnet_network_security_group_association" "part" {
  for_each = local.subnets

  subnet_id                 = azurerm_subnet.part[each.key].id
  network_security_group_id = azurerm_network_security_group.part[each.key].id
}

locals {
  inside = sort(values(local.subnets))
  egress = ["${azurerm_public_ip.nat.ip_address}/32"]

  # Of every node: SSH for those who are named; kubelet, node-exporter and node ports, VXLAN, ICMP among each
  # other; the probes of load balancers, which come from the platform itself.
  common = {
    "ssh"        = { priority = 100, protocol = "Tcp", ports = ["22"], from = var.allowed_cidrs }
    "inside-tcp" = { priority = 110, protocol = "Tcp", ports = ["9100", "10250", "30000-32767"], from = local.inside }
    "inside-udp" = { priority = 120, protocol = "Udp", ports = ["8472", "30000-32767"], from = local.inside }
    "icmp"       = { priority = 130, protocol = "Icmp", ports = ["*"], from = local.inside }
    "probes"     = { priority = 140, protocol = "*", ports = ["*"], from = ["AzureLoadBalancer"] }
  }

  # Of control planes: the API for those who are named and for nodes, which come to it in two ways; etcd for
  # each other alone.
  control_plane = {
    "api"        = { priority = 200, protocol = "Tcp", ports = ["6443"], from = var.allowed_cidrs }
    "api-nodes"  = { priority = 210, protocol = "Tcp", ports = ["6443"], from = local.inside }
    "api-egress" = { priority = 220, protocol = "Tcp", ports = ["6443"], from = local.egress }
    "etcd"       = { priority = 230, protocol = "Tcp", ports = ["2379-2380"], from = [local.subnets["control-plane"]] }
  }

  rules = merge(
    { for name, rule in merge(local.common, local.control_plane) : "control-plane/${name}" => rule },
    { for name, rule in local.common : "nodes/${name}" => rule },
  )
}

# Azure has one form for a single source or port, and another for several.
resource "azurerm_network_security_rule" "allow" {
  for_each = local.rules

  name                        = split("/", each.key)[1]
  resource_group_name         = azurerm_resource_group.network.name
  network_security_group_name = azurerm_network_security_group.part[split("/", each.key)[0]].name
  priority                    = each.value.priority
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = each.value.protocol
  source_port_range           = "*"
  source_address_prefix       = length(each.value.from) == 1 ? each.value.from[0] : null
  source_address_prefixes     = length(each.value.from) == 1 ? null : each.value.from
  destination_port_range      = length(each.value.ports) == 1 ? each.value.ports[0] : null
  destination_port_ranges     = length(each.value.ports) == 1 ? null : each.value.ports
  destination_address_prefix  = "*"
}

resource "azurerm_network_security_rule" "deny" {
  for_each = local.subnets

  name                        = "deny"
  resource_group_name         = azurerm_resource_group.network.name
  network_security_group_name = azurerm_network_security_group.part[each.key].name
  priority                    = 4000
  direction                   = "Inbound"
  access                      = "Deny"
  protocol                    = "*"
  source_port_range           = "*"
  source_address_prefix       = "*"
  destination_port_range      = "*"
  destination_address_prefix  = "*"
}
