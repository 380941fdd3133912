# The API stands behind load balancers from the first day, so that its names in certificates and kubeconfigs
# never move when control planes come and go.
#
# There are two. Nodes reach the inner one by its addresses in the VPC, which security groups can tell by the
# group they come from. The way to the outer one leads over the internet, where a node is known by its public
# address alone: each node would need a rule of its own there.
locals {
  # At most 32 letters, digits and -.
  lb_name = "${substr(var.cluster_name, 0, 18)}-${substr(local.owner, 0, 8)}"

  masters = { for name, node in var.nodes : name => node if node.role == "master" }
}

resource "aws_lb" "lb" {
  name                             = "c-${local.lb_name}-in"
  load_balancer_type               = "network"
  internal                         = true
  subnets                          = [for zone in var.options.zones : aws_subnet.zone[zone].id]
  security_groups                  = [aws_security_group.lb.id] # one made without can never get any
  enable_cross_zone_load_balancing = true
  tags                             = merge(local.tags, { Name = "${local.unique}-nodes" })
}

resource "aws_lb" "access" {
  name                             = "c-${local.lb_name}-out"
  load_balancer_type               = "network"
  internal                         = false
  subnets                          = [for zone in var.options.zones : aws_subnet.zone[zone].id]
  security_groups                  = [aws_security_group.lb.id]
  enable_cross_zone_load_balancing = true
  tags                             = merge(local.tags, { Name = "${local.unique}-operators" })

  depends_on = [aws_internet_gateway.network]
}

locals {
  lbs = {
    in  = aws_lb.lb.arn
    out = aws_lb.access.arn
  }
}

resource "aws_lb_target_group" "api" {
  for_each = toset(["in", "out"])

  name        = "c-${local.lb_name}-${each.key}"
  vpc_id      = aws_vpc.network.id
  target_type = "instance"
  protocol    = "TCP"
  port        = 6443
  # Were it on, a control plane that asks for the API and is sent to itself would wait for ever.
  preserve_client_ip = false

  health_check {
    protocol            = "HTTPS"
    port                = "6443"
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }

  tags = local.tags
}

resource "aws_lb_listener" "api" {
  for_each = local.lbs

  load_balancer_arn = each.value
  protocol          = "TCP"
  port              = 6443
  tags              = local.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api[each.key].arn
  }
}

resource "aws_lb_target_group_attachment" "api" {
  for_each = merge([
    for name, node in local.masters : {
      "in/${name}"  = { lb = "in", node = name }
      "out/${name}" = { lb = "out", node = name }
    }
  ]...)

  target_group_arn = aws_lb_target_group.api[each.value.lb].arn
  target_id        = aws_instance.node[each.value.node].id
  port             = 6443
}
