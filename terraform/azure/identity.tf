# What the controllers of the cluster may do in Azure. Control planes alone have this identity, and the controllers run
# there. It reaches as far as the cluster's own resource group. Workers have no identity: they need none.
resource "azurerm_user_assigned_identity" "control_plane" {
  name                = "control-plane"
  resource_group_name = azurerm_resource_group.network.name
  location            = var.region
  tags                = local.tags
}

# Azure would choose an id for each of these two. With ids that are known beforehand, Clouder finds them again when a
# terraform that was killed had made them and not written them down.
resource "azurerm_role_definition" "controllers" {
  role_definition_id = uuidv5("url", "${local.group_id}/role")

  name              = local.unique
  scope             = azurerm_resource_group.network.id
  assignable_scopes = [azurerm_resource_group.network.id]
  description       = "Cloud controller manager and storage drivers of the Clouder cluster ${var.cluster_name}"

  permissions {
    actions = [
      # The cloud controller manager: load balancers of Services, their addresses and rules, and the machines
      # behind them.
      "Microsoft.Network/loadBalancers/read",
      "Microsoft.Network/loadBalancers/write",
      "Microsoft.Network/loadBalancers/delete",
      "Microsoft.Network/loadBalancers/backendAddressPools/read",
      "Microsoft.Network/loadBalancers/backendAddressPools/write",
      "Microsoft.Network/loadBalancers/backendAddressPools/delete",
      "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
      "Microsoft.Network/networkInterfaces/read",
      "Microsoft.Network/networkInterfaces/write",
      "Microsoft.Network/networkInterfaces/join/action",
      "Microsoft.Network/networkSecurityGroups/read",
      "Microsoft.Network/networkSecurityGroups/write",
      "Microsoft.Network/networkSecurityGroups/join/action",
      "Microsoft.Network/publicIPAddresses/read",
      "Microsoft.Network/publicIPAddresses/write",
      "Microsoft.Network/publicIPAddresses/delete",
      "Microsoft.Network/publicIPAddresses/join/action",
      "Microsoft.Network/virtualNetworks/read",
      "Microsoft.Network/virtualNetworks/subnets/read",
      "Microsoft.Network/virtualNetworks/subnets/join/action",
      "Microsoft.Compute/virtualMachines/read",
      "Microsoft.Compute/virtualMachines/instanceView/read",

      # The disk driver: to attach a disk is to write the machine, with the identity that the machine has.
      "Microsoft.Compute/virtualMachines/write",
      "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
      "Microsoft.Compute/disks/read",
      "Microsoft.Compute/disks/write",
      "Microsoft.Compute/disks/delete",
      "Microsoft.Compute/snapshots/read",
      "Microsoft.Compute/snapshots/write",
      "Microsoft.Compute/snapshots/delete",

      # The file driver: shares, in storage accounts that it makes.
      "Microsoft.Storage/storageAccounts/read",
      "Microsoft.Storage/storageAccounts/write",
      "Microsoft.Storage/storageAccounts/delete",
      "Microsoft.Storage/storageAccounts/listKeys/action",
      "Microsoft.Storage/storageAccounts/fileServices/read",
      "Microsoft.Storage/storageAccounts/fileServices/shares/read",
      "Microsoft.Storage/storageAccounts/fileServices/shares/write",
      "Microsoft.Storage/storageAccounts/fileServices/shares/delete",
    ]
  }
}

resource "azurerm_role_assignment" "controllers" {
  name               = uuidv5("url", "${local.group_id}/assignment")
  scope              = azurerm_resource_group.network.id
  role_definition_id = azurerm_role_definition.controllers.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.control_plane.principal_id
  principal_type     = "ServicePrincipal" # or Azure looks for an identity that it has not yet heard of everywhere
}
