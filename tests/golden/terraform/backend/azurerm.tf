# Credentials come from the environment or from the files of the cloud's own tools, never from here.
terraform {
  backend "azurerm" {
    resource_group_name  = "states"
    storage_account_name = "ourstates"
    container_name       = "tfstate"
    key                  = "clouder/demo/terraform.tfstate"
  }
}
