terraform {
  required_version = ">= 1.5, < 2.0"

  # Written in what 4.x and 5.x have in common.
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.20, < 6.0"
    }
  }
}
