variable "cluster_name" {
  description = "Name of the cluster; it stands in the name of its resource group and in the tag clouder-cluster"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.cluster_name))
    error_message = "The cluster name is 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -."
  }
}

variable "region" {
  description = "Azure region in its short form, such as westeurope"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]+[0-9]?$", var.region))
    error_message = "The region is one of Azure's in its short form, such as westeurope."
  }
}

variable "nodes" {
  description = "Nodes by name: role (master or node), pool, size (VM size), zone (one of options.zones; empty where the region has none)"
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
    condition     = alltrue([for node in var.nodes : can(regex("^[A-Z][A-Za-z]+_[A-Za-z0-9_-]+$", node.size))])
    error_message = "The size of a node is a VM size, such as Standard_D2s_v5."
  }

  validation {
    condition     = alltrue([for node in var.nodes : can(regex("^[1-9]?$", node.zone))])
    error_message = "The zone of a node is a number such as 1, or empty."
  }

  validation {
    condition     = anytrue([for node in var.nodes : node.role == "master"])
    error_message = "A cluster needs a node with the role master."
  }
}

variable "ssh_public_key" {
  description = "Public key, in OpenSSH form, that may log in to the nodes as clouder"
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
    condition     = alltrue([for key, value in var.tags : can(regex("^[^<>%&\\\\?/]{1,512}$", key)) && length(value) <= 256 && !can(regex("^(?i)(azure|microsoft|windows)", key))])
    error_message = "Keys of tags have none of < > % & \\ ? / and do not start with azure, microsoft or windows; values have at most 256 characters."
  }
}

variable "options" {
  description = "What only this provider needs: subscription_id, network_cidr, zones in use (empty where the region has none), volume_gib of each system disk, image of the machines as publisher:offer:sku:version"
  type = object({
    subscription_id = string
    network_cidr    = string
    zones           = list(string)
    volume_gib      = number
    image           = string
  })
  nullable = false

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.options.subscription_id))
    error_message = "The subscription_id is a UUID, such as 00000000-0000-0000-0000-000000000000."
  }

  validation {
    condition     = can(cidrnetmask(var.options.network_cidr)) && try(tonumber(split("/", var.options.network_cidr)[1]) <= 20, false)
    error_message = "The network_cidr must be an IPv4 network of /20 or larger, such as 10.0.0.0/16."
  }

  validation {
    condition     = alltrue([for zone in var.options.zones : can(regex("^[1-9]$", zone))]) && length(distinct(var.options.zones)) == length(var.options.zones)
    error_message = "The zones are numbers such as 1, each there once."
  }

  validation {
    condition     = var.options.volume_gib >= 30
    error_message = "A system disk needs at least 30 GiB: the image has as many."
  }

  validation {
    condition     = can(regex("^[^:]+:[^:]+:[^:]+:[^:]+$", var.options.image))
    error_message = "The image is publisher:offer:sku:version, such as Debian:debian-13:13-gen2:latest."
  }
}
