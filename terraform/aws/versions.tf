terraform {
  required_version = ">= 1.5, < 2.0"

  # Written in what 5.x and 6.x have in common.
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60, < 7.0"
    }
  }
}
