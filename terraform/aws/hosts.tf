# The current Debian 13; 136693071363 is Debian's account.
data "aws_ami" "debian" {
  most_recent = true
  owners      = ["136693071363"]

  filter {
    name   = "name"
    values = ["debian-13-amd64-*"]
  }

  filter {
    name   = "architecture"
    values = ["x86_64"]
  }

  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

resource "aws_key_pair" "ssh" {
  key_name   = local.unique
  public_key = var.ssh_public_key
  tags       = local.tags
}

resource "aws_instance" "node" {
  for_each = var.nodes

  ami                    = var.options.ami_id != "" ? var.options.ami_id : data.aws_ami.debian.id
  instance_type          = each.value.size
  subnet_id              = aws_subnet.zone[each.value.zone].id
  key_name               = aws_key_pair.ssh.key_name
  vpc_security_group_ids = each.value.role == "master" ? [aws_security_group.nodes.id, aws_security_group.control_plane.id] : [aws_security_group.nodes.id]
  iam_instance_profile   = each.value.role == "master" ? aws_iam_instance_profile.control_plane.name : aws_iam_instance_profile.node.name

  # The host key that Clouder pinned before the machine existed, and nothing else: everything after it goes
  # over SSH. cloud-init makes the public half itself.
  user_data = "#cloud-config\n${yamlencode({
    ssh_deletekeys = true
    ssh_keys       = { ed25519_private = var.host_keys[each.key] }
  })}"

  # No metadata without a token, and none for pods: they are one hop further away than the node.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = var.options.volume_gib
    encrypted   = true
    tags        = merge(local.tags, { Name = each.key })
  }

  tags = merge(local.tags, {
    Name                = each.key
    "clouder-role"      = each.value.role
    "clouder-pool"      = each.value.pool
    (local.cluster_tag) = "owned"
  })

  lifecycle {
    # A newer image of Debian must not re-make the nodes that run.
    ignore_changes = [ami, user_data]
  }

  # A node that comes up must be able to reach the internet at once.
  depends_on = [aws_route.internet, aws_route_table_association.zone, aws_vpc_security_group_egress_rule.nodes]
}
