locals {
  image = split(":", var.options.image) # publisher:offer:sku:version
}

# SSH reaches each node at an address of its own, whose port 22 is open to those who are named.
resource "azurerm_public_ip" "node" {
  for_each = var.nodes

  name                = each.key
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  allocation_method   = "Static"
  sku                 = "Standard"
  zones               = each.value.zone == "" ? null : [each.value.zone]
  tags                = local.tags
}

resource "azurerm_network_interface" "node" {
  for_each = var.nodes

  name                = each.key
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  tags                = local.tags

  ip_configuration {
    name                          = "node"
    subnet_id                     = azurerm_subnet.part[each.value.role == "master" ? "control-plane" : "nodes"].id
    private_ip_address_allocation = "Dynamic"
    public_ip_address_id          = azurerm_public_ip.node[each.key].id
  }
}

resource "azurerm_linux_virtual_machine" "node" {
  for_each = var.nodes

  name                  = each.key # which is its host name too; the disk driver finds the machine by it
  resource_group_name   = azurerm_resource_group.network.name
  location              = var.region
  zone                  = each.value.zone == "" ? null : each.value.zone
  size                  = each.value.size
  network_interface_ids = [azurerm_network_interface.node[each.key].id]
  admin_username        = "clouder" # Azure refuses names such as admin

  admin_ssh_key {
    username   = "clouder"
    public_key = var.ssh_public_key
  }

  # The host key that Clouder pinned before the machine existed, and nothing else: everything after it goes
  # over SSH. cloud-init makes the public half itself.
  custom_data = base64encode("#cloud-config\n${yamlencode({
    ssh_deletekeys = true
    ssh_keys       = { ed25519_private = var.host_keys[each.key] }
  })}")

  source_image_reference {
    publisher = local.image[0]
    offer     = local.image[1]
    sku       = local.image[2]
    version   = local.image[3]
  }

  # Azure encrypts every disk. etcd waits for each write to be on the disk, hence no slower kind.
  os_disk {
    name                 = "${each.key}-system"
    caching              = "ReadWrite"
    storage_account_type = "Premium_LRS"
    disk_size_gb         = var.options.volume_gib
  }

  dynamic "identity" {
    for_each = each.value.role == "master" ? ["control-plane"] : []

    content {
      type         = "UserAssigned"
      identity_ids = [azurerm_user_assigned_identity.control_plane.id]
    }
  }

  # The serial console tells why a machine does not come up.
  boot_diagnostics {}

  tags = merge(local.tags, {
    "clouder-role" = each.value.role
    "clouder-pool" = each.value.pool
  })

  lifecycle {
    # A newer image of Debian must not re-make the nodes that run.
    ignore_changes = [source_image_reference, custom_data]
  }

  # A node that comes up must be able to reach the internet at once.
  depends_on = [
    azurerm_nat_gateway_public_ip_association.nat,
    azurerm_subnet_nat_gateway_association.part,
    azurerm_subnet_network_security_group_association.part,
  ]
}
