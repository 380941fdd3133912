data "openstack_images_image_v2" "node" {
  name        = var.options.image_name
  visibility  = "public"
  most_recent = true
}

data "openstack_compute_flavor_v2" "node" {
  for_each = toset([for node in var.nodes : node.size])

  name = each.key
}

resource "openstack_compute_keypair_v2" "ssh" {
  name       = local.unique
  public_key = var.ssh_public_key
}

# A port of its own for each node: addresses and security groups stay when a machine is made anew.
resource "openstack_networking_port_v2" "node" {
  for_each = var.nodes

  name               = each.key
  network_id         = openstack_networking_network_v2.network.id
  admin_state_up     = true
  security_group_ids = each.value.role == "master" ? [local.groups["nodes"], local.groups["control_plane"]] : [local.groups["nodes"]]
  tags               = local.tags

  fixed_ip {
    subnet_id = openstack_networking_subnet_v2.network.id
  }
}

resource "openstack_compute_instance_v2" "node" {
  for_each = var.nodes

  name         = each.key
  flavor_id    = data.openstack_compute_flavor_v2.node[each.value.size].id
  key_pair     = openstack_compute_keypair_v2.ssh.name
  config_drive = true

  # The host key that Clouder pinned before the machine existed, and nothing else: everything after it goes
  # over SSH. cloud-init makes the public half itself.
  user_data = "#cloud-config\n${yamlencode({
    ssh_deletekeys = true
    ssh_keys       = { ed25519_private = var.host_keys[each.key] }
  })}"

  network {
    port = openstack_networking_port_v2.node[each.key].id
  }

  # A volume and not the flavor's own disk, which cannot be encrypted.
  block_device {
    uuid                  = data.openstack_images_image_v2.node.id
    source_type           = "image"
    destination_type      = "volume"
    volume_size           = var.options.volume_gib
    volume_type           = var.options.volume_type
    boot_index            = 0
    delete_on_termination = true
  }

  metadata = merge(local.metadata, {
    "clouder-role" = each.value.role
    "clouder-pool" = each.value.pool
  })

  lifecycle {
    # A newer image must not re-make the nodes that run.
    ignore_changes = [block_device[0].uuid, user_data]
  }

  # A node that comes up must be able to reach the internet at once.
  depends_on = [openstack_networking_router_interface_v2.network]
}

resource "openstack_networking_floatingip_v2" "node" {
  for_each = var.nodes

  pool        = data.openstack_networking_network_v2.external.name
  port_id     = openstack_networking_port_v2.node[each.key].id
  description = each.key
  tags        = local.tags

  depends_on = [openstack_networking_router_interface_v2.network]
}
