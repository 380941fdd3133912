# Credentials come from the environment or from the files of the cloud's own tools, never from here.
terraform {
  backend "s3" {
    bucket  = "our-states"
    key     = "clouder/demo/terraform.tfstate"
    region  = "eu-west-1"
    encrypt = true
  }
}
