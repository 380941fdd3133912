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
  description = "OVH region, such as GRA11"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Z][A-Z0-9-]*$", var.region))
    error_message = "The region is one of OVH Public Cloud's, such as GRA11 or EU-WEST-PAR."
  }
}

variable "nodes" {
  description = "Nodes by name: role (master or node), pool, size (flavor)"
  type = map(object({
    role = string
    pool = string
    size = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for node in var.nodes : contains(["master", "node"], node.role)])
    error_message = "The role of a node is master or node."
  }

  validation {
    condition     = alltrue([for node in var.nodes : can(regex("^[a-z][a-z0-9]*-[a-z0-9-]+$", node.size))])
    error_message = "The size of a node is a flavor, such as b3-8."
  }

  validation {
    condition     = anytrue([for node in var.nodes : node.role == "master"])
    error_message = "A cluster needs a node with the role master."
  }
}

variable "ssh_public_key" {
  description = "Public key, in OpenSSH form, that may log in to the nodes as debian"
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
  description = "Tags of everything that can bear some, besides clouder-cluster and clouder-owner; servers have them as metadata"
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[A-Za-z0-9 ._:@-]{1,24}$", key)) && can(regex("^[A-Za-z0-9 ._:@-]{0,32}$", value))])
    error_message = "Tags are made of letters, digits, spaces and . _ : @ -, at most 24 for a key and 32 for a value."
  }
}

variable "options" {
  description = "What only this provider needs: network_cidr of the private network, external_network with the public addresses, image_name, volume_gib and volume_type of each root disk"
  type = object({
    network_cidr     = string
    external_network = string
    image_name       = string
    volume_gib       = number
    volume_type      = string
  })
  nullable = false

  validation {
    condition     = can(cidrnetmask(var.options.network_cidr)) && try(tonumber(split("/", var.options.network_cidr)[1]) <= 24, false)
    error_message = "The network_cidr must be an IPv4 network of /24 or larger, such as 10.0.0.0/16."
  }

  validation {
    condition     = var.options.external_network != "" && var.options.image_name != "" && var.options.volume_type != ""
    error_message = "The external_network, the image_name and the volume_type must have a name."
  }

  validation {
    condition     = var.options.volume_gib >= 20
    error_message = "A root disk needs at least 20 GiB."
  }
}
