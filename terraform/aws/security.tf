# One group for all nodes, one more for control planes, one for the load balancers. Only the group of all nodes
# bears the cluster's tag: controllers add their rules to the one group that has it.
resource "aws_security_group" "nodes" {
  name        = "${local.unique}-nodes"
  description = "Every node of ${var.cluster_name}"
  vpc_id      = aws_vpc.network.id
  tags        = merge(local.tags, { Name = "${local.unique}-nodes", (local.cluster_tag) = "owned" })
}

resource "aws_security_group" "control_plane" {
  name        = "${local.unique}-control-plane"
  description = "Control planes of ${var.cluster_name}"
  vpc_id      = aws_vpc.network.id
  tags        = merge(local.tags, { Name = "${local.unique}-control-plane" })
}

resource "aws_security_group" "lb" {
  name        = "${local.unique}-lb"
  description = "Load balancers of the API of ${var.cluster_name}"
  vpc_id      = aws_vpc.network.id
  tags        = merge(local.tags, { Name = "${local.unique}-lb" })
}

locals {
  groups = {
    nodes         = aws_security_group.nodes.id
    control_plane = aws_security_group.control_plane.id
    lb            = aws_security_group.lb.id
  }

  # From outside: two ports, and only for those who are named.
  from_outside = merge([
    for cidr in toset(var.allowed_cidrs) : {
      "ssh/${cidr}" = { to = "nodes", port = 22, cidr = cidr, text = "SSH" }
      "api/${cidr}" = { to = "lb", port = 6443, cidr = cidr, text = "Kubernetes API" }
    }
  ]...)

  # Among each other. Pods talk inside Flannel's VXLAN, so that their ports are not seen here.
  # The keys of the rules say what they are for: AWS keeps no description with a group as source in every case.
  inside = {
    "flannel-vxlan"  = { to = "nodes", from = "nodes", protocol = "udp", first = 8472, last = 8472 }
    "kubelet"        = { to = "nodes", from = "nodes", protocol = "tcp", first = 10250, last = 10250 }
    "node-exporter"  = { to = "nodes", from = "nodes", protocol = "tcp", first = 9100, last = 9100 }
    "node-ports-tcp" = { to = "nodes", from = "nodes", protocol = "tcp", first = 30000, last = 32767 }
    "node-ports-udp" = { to = "nodes", from = "nodes", protocol = "udp", first = 30000, last = 32767 }
    "icmp"           = { to = "nodes", from = "nodes", protocol = "icmp", first = -1, last = -1 }
    "api-from-nodes" = { to = "control_plane", from = "nodes", protocol = "tcp", first = 6443, last = 6443 }
    "api-from-lb"    = { to = "control_plane", from = "lb", protocol = "tcp", first = 6443, last = 6443 }
    "lb-from-nodes"  = { to = "lb", from = "nodes", protocol = "tcp", first = 6443, last = 6443 }
    "etcd"           = { to = "control_plane", from = "control_plane", protocol = "tcp", first = 2379, last = 2380 }
  }
}

resource "aws_vpc_security_group_ingress_rule" "from_outside" {
  for_each = local.from_outside

  security_group_id = local.groups[each.value.to]
  description       = each.value.text
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  tags              = merge(local.tags, { Name = each.key })
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each = local.inside

  security_group_id            = local.groups[each.value.to]
  referenced_security_group_id = local.groups[each.value.from]
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.first
  to_port                      = each.value.last
  tags                         = merge(local.tags, { Name = each.key })
}

# Nodes fetch packages and images from anywhere; load balancers speak to control planes alone.
resource "aws_vpc_security_group_egress_rule" "nodes" {
  security_group_id = aws_security_group.nodes.id
  description       = "Anywhere"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = merge(local.tags, { Name = "anywhere" })
}

resource "aws_vpc_security_group_egress_rule" "lb" {
  security_group_id            = aws_security_group.lb.id
  referenced_security_group_id = aws_security_group.control_plane.id
  ip_protocol                  = "tcp"
  from_port                    = 6443
  to_port                      = 6443
  tags                         = merge(local.tags, { Name = "api" })
}
