terraform {
  required_version = ">= 1.5, < 2.0"

  # OVH Public Cloud is OpenStack: its own provider is needed for accounts and vRacks, not for machines.
  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = ">= 3.0, < 4.0"
    }
  }
}
