variable "cluster_name" {
  description = "Name of the cluster; every container is named after it"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.cluster_name))
    error_message = "The cluster name is 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -."
  }
}

variable "region" {
  description = "Where the nodes run; on this machine there is one place, local"
  type        = string
  nullable    = false

  validation {
    condition     = var.region == "local"
    error_message = "The local provider has one region, local."
  }
}

variable "nodes" {
  description = "Nodes by name: role (master or node), pool, size (CPUxMEM as in 2x4096, empty for no limit), address in network_cidr, ssh_port on 127.0.0.1"
  type = map(object({
    role     = string
    pool     = string
    size     = string
    address  = string
    ssh_port = number
  }))
  nullable = false

  validation {
    condition     = alltrue([for node in var.nodes : contains(["master", "node"], node.role)])
    error_message = "The role of a node is master or node."
  }

  validation {
    condition     = alltrue([for node in var.nodes : can(regex("^([1-9][0-9]{0,2}x[1-9][0-9]{2,6})?$", node.size))])
    error_message = "The size of a node is CPUs x MiB, such as 2x4096, or empty for no limit."
  }

  validation {
    condition     = length(distinct([for node in var.nodes : node.address])) == length(var.nodes)
    error_message = "Each node needs an address of its own."
  }

  validation {
    condition     = length(distinct([for node in var.nodes : node.ssh_port])) == length(var.nodes)
    error_message = "Each node needs an ssh_port of its own."
  }
}

variable "ssh_public_key" {
  description = "Public key, in OpenSSH form, that may log in to the nodes as root"
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

# One of the inputs that every module has; here there is nothing to do with it but to check it.
# tflint-ignore: terraform_unused_declarations
variable "allowed_cidrs" {
  description = "Networks that may reach the cluster; local nodes publish ports on 127.0.0.1 only, so it stays 127.0.0.1/32"
  type        = list(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : cidr == "127.0.0.1/32"])
    error_message = "Local nodes can be reached from this machine only: allowed_cidrs is [\"127.0.0.1/32\"]."
  }
}

variable "tags" {
  description = "Labels of every container and of the network, besides clouder-cluster, clouder-role and clouder-pool"
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[A-Za-z0-9./_-]+$", key)) && can(regex("^[A-Za-z0-9./_-]*$", value))])
    error_message = "Tags are made of letters, digits and . / _ -."
  }
}

variable "options" {
  description = "What only this provider needs: image of the nodes, network_cidr of the cluster's Docker network, lb_address in it, api_port on 127.0.0.1"
  type = object({
    image        = string
    network_cidr = string
    lb_address   = string
    api_port     = number
  })
  nullable = false

  validation {
    condition     = var.options.image != ""
    error_message = "The node image is not known: options.image is empty."
  }

  validation {
    condition     = can(cidrnetmask(var.options.network_cidr))
    error_message = "The network_cidr must be an IPv4 network such as 10.213.0.0/24."
  }
}
