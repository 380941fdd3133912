# Credentials come from the environment or from the files of the cloud's own tools, never from here.
terraform {
  backend "s3" {
    bucket       = "our-states"
    key          = "k8s/demo.tfstate"
    region       = "eu-west-1"
    encrypt      = true
    use_lockfile = true
    kms_key_id   = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
  }
}
