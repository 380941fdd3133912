# One group for all nodes and one more for control planes. Neutron adds rules that let everything out; they stay.
resource "openstack_networking_secgroup_v2" "nodes" {
  name        = "${local.unique}-nodes"
  description = "Every node of ${var.cluster_name}"
  tags        = local.tags
}

resource "openstack_networking_secgroup_v2" "control_plane" {
  name        = "${local.unique}-control-plane"
  description = "Control planes of ${var.cluster_name}"
  tags        = local.tags
}

locals {
  groups = {
    nodes         = openstack_networking_secgroup_v2.nodes.id
    control_plane = openstack_networking_secgroup_v2.control_plane.id
  }

  # Among each other. Pods talk inside Flannel's VXLAN, so that their ports are not seen here.
  inside = {
    "flannel-vxlan"  = { to = "nodes", from = "nodes", protocol = "udp", first = 8472, last = 8472 }
    "kubelet"        = { to = "nodes", from = "nodes", protocol = "tcp", first = 10250, last = 10250 }
    "node-exporter"  = { to = "nodes", from = "nodes", protocol = "tcp", first = 9100, last = 9100 }
    "node-ports-tcp" = { to = "nodes", from = "nodes", protocol = "tcp", first = 30000, last = 32767 }
    "node-ports-udp" = { to = "nodes", from = "nodes", protocol = "udp", first = 30000, last = 32767 }
    "icmp"           = { to = "nodes", from = "nodes", protocol = "icmp", first = null, last = null }
    "etcd"           = { to = "control_plane", from = "control_plane", protocol = "tcp", first = 2379, last = 2380 }
  }

  # The load balancer's own machines are in the subnet and in no group of ours: they check the API, and bring
  # requests to node ports.
  from_subnet = {
    "api"            = { to = "control_plane", protocol = "tcp", first = 6443, last = 6443 }
    "node-ports-tcp" = { to = "nodes", protocol = "tcp", first = 30000, last = 32767 }
    "node-ports-udp" = { to = "nodes", protocol = "udp", first = 30000, last = 32767 }
  }
}

# From outside: SSH, and only for those who are named. The API is the load balancer's to guard.
resource "openstack_networking_secgroup_rule_v2" "from_outside" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = local.groups["nodes"]
  description       = "SSH"
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 22
  port_range_max    = 22
  remote_ip_prefix  = each.key
}

resource "openstack_networking_secgroup_rule_v2" "inside" {
  for_each = local.inside

  security_group_id = local.groups[each.value.to]
  description       = each.key
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = each.value.protocol
  port_range_min    = each.value.first
  port_range_max    = each.value.last
  remote_group_id   = local.groups[each.value.from]
}

resource "openstack_networking_secgroup_rule_v2" "from_subnet" {
  for_each = local.from_subnet

  security_group_id = local.groups[each.value.to]
  description       = "${each.key} from the load balancer"
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = each.value.protocol
  port_range_min    = each.value.first
  port_range_max    = each.value.last
  remote_ip_prefix  = openstack_networking_subnet_v2.network.cidr
}
