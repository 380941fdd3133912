variable "cluster_name" {
  description = "Name of the cluster; it stands in the name and in the tag clouder-cluster of every resource"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.cluster_name))
    error_message = "The cluster name is 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -."
  }
}

variable "region" {
  description = "AWS region, such as eu-west-1"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "The region is one of AWS's, such as eu-west-1."
  }
}

variable "nodes" {
  description = "Nodes by name: role (master or node), pool, size (instance type), zone (one of options.zones)"
  type = map(object({
    role = string
    pool = string
    size = string
    zone = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for node in var.nodes : contains(["master", "node"], node.role)])
    error_message = "The role of a node is master or node."
  }

  validation {
    condition     = alltrue([for node in var.nodes : can(regex("^[a-z][a-z0-9-]*\\.[a-z0-9-]+$", node.size))])
    error_message = "The size of a node is an instance type, such as t3.large."
  }

  validation {
    condition     = anytrue([for node in var.nodes : node.role == "master"])
    error_message = "A cluster needs a node with the role master."
  }
}

variable "ssh_public_key" {
  description = "Public key, in OpenSSH form, that may log in to the nodes as admin"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^ssh-ed25519 [A-Za-z0-9+/=]+( .*)?$", var.ssh_public_key))
    error_message = "The SSH public key must be one line starting with ssh-ed25519."
  }
}

variable "host_keys" {
  description = "Private SSH host key of each node by name, in OpenSSH form; given by TF_VAR_host_keys, never in a file"
  type        = map(string)
  nullable    = false
  sensitive   = true
}

variable "allowed_cidrs" {
  description = "Networks that may reach SSH (22) and the Kubernetes API (6443); never the whole internet"
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0
    error_message = "Nobody could reach the cluster: allowed_cidrs is empty."
  }

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr)) && !endswith(cidr, "/0")])
    error_message = "allowed_cidrs holds IPv4 networks such as 203.0.113.7/32, and never 0.0.0.0/0."
  }
}

variable "tags" {
  description = "Tags of every resource, besides clouder-cluster and clouder-owner"
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[A-Za-z0-9 +=._:/@-]{1,128}$", key)) && can(regex("^[A-Za-z0-9 +=._:/@-]{0,256}$", value)) && !startswith(key, "aws:")])
    error_message = "Tags are made of letters, digits, spaces and + = . _ : / @ -, and no key starts with aws:."
  }
}

variable "options" {
  description = "What only this provider needs: vpc_cidr, zones in the order of their subnets (only ever append), volume_gib of each root disk, ami_id (empty: the current Debian 13)"
  type = object({
    vpc_cidr   = string
    zones      = list(string)
    volume_gib = number
    ami_id     = string
  })
  nullable = false

  validation {
    condition     = can(cidrnetmask(var.options.vpc_cidr)) && try(tonumber(split("/", var.options.vpc_cidr)[1]) <= 20, false)
    error_message = "The vpc_cidr must be an IPv4 network of /20 or larger, such as 10.0.0.0/16."
  }

  validation {
    condition     = length(var.options.zones) > 0 && length(var.options.zones) <= 16 && length(distinct(var.options.zones)) == length(var.options.zones)
    error_message = "The zones are 1 to 16 availability zones, each there once."
  }

  validation {
    condition     = var.options.volume_gib >= 20
    error_message = "A root disk needs at least 20 GiB."
  }

  validation {
    condition     = can(regex("^(ami-[a-z0-9]+)?$", var.options.ami_id))
    error_message = "The ami_id is empty or an AMI, such as ami-0123456789abcdef0."
  }
}
