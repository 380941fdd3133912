locals {
  # Two Clouder homes may have clusters of the same name in one account: names and tags tell them apart.
  owner  = substr(sha256(var.ssh_public_key), 0, 16)
  unique = "clouder-${var.cluster_name}-${substr(local.owner, 0, 8)}"

  tags = merge(var.tags, {
    "clouder-cluster" = var.cluster_name
    "clouder-owner"   = local.owner
  })

  # The cloud controller manager and the CSI driver find what is the cluster's by this tag, and the roles in
  # identity.tf let them change nothing else.
  cluster_tag = "kubernetes.io/cluster/${var.cluster_name}"

  # A zone keeps its number, and so its addresses, as long as zones are only appended.
  zones = { for index, zone in var.options.zones : zone => index }
}

resource "aws_vpc" "network" {
  cidr_block           = var.options.vpc_cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(local.tags, { Name = local.unique })
}

# The group that AWS adds to every VPC: without rules, so that nothing is ever open by accident.
resource "aws_default_security_group" "none" {
  vpc_id = aws_vpc.network.id
  tags   = merge(local.tags, { Name = "${local.unique}-unused" })
}

resource "aws_internet_gateway" "network" {
  vpc_id = aws_vpc.network.id
  tags   = merge(local.tags, { Name = local.unique })
}

# Public subnets: nodes reach the package and image hosts without a NAT gateway, which would cost more than a
# small node in each zone. What may come in is for the security groups to say.
resource "aws_subnet" "zone" {
  for_each = local.zones

  vpc_id                  = aws_vpc.network.id
  availability_zone       = each.key
  cidr_block              = cidrsubnet(aws_vpc.network.cidr_block, 4, each.value)
  map_public_ip_on_launch = true
  tags = merge(local.tags, {
    Name                     = "${local.unique}-${each.key}"
    (local.cluster_tag)      = "owned"
    "kubernetes.io/role/elb" = "1"
  })
}

resource "aws_route_table" "network" {
  vpc_id = aws_vpc.network.id
  tags   = merge(local.tags, { Name = local.unique })
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.network.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.network.id
}

resource "aws_route_table_association" "zone" {
  for_each = aws_subnet.zone

  subnet_id      = each.value.id
  route_table_id = aws_route_table.network.id
}
