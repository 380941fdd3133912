variable "cluster_name" {
  description = "Name of the cluster; every node is named after it"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.cluster_name))
    error_message = "The cluster name is 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -."
  }
}

variable "region" {
  description = "Where the machines stand, in a word of your own or empty; it becomes their zone"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{0,64}$", var.region))
    error_message = "The region is made of letters, digits and . _ -."
  }
}

variable "nodes" {
  description = "Machines by name: role (master or node), pool, size (always empty), address (IPv4, its own), ssh_port"
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
    condition     = alltrue([for node in var.nodes : node.size == ""])
    error_message = "A machine that is there has the size it has: size is empty."
  }

  validation {
    condition     = alltrue([for node in var.nodes : can(cidrnetmask("${node.address}/32"))])
    error_message = "The address of a node is an IPv4 address."
  }

  validation {
    condition     = length(distinct([for node in var.nodes : node.address])) == length(var.nodes)
    error_message = "Each node needs an address of its own."
  }
}

variable "ssh_public_key" {
  description = "Public key, in OpenSSH form, that the machines let in already; nothing puts it there"
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(ssh|ecdsa-sha2)-[a-z0-9-]+ [A-Za-z0-9+/=]+( .*)?$", var.ssh_public_key))
    error_message = "The SSH public key must be one line such as ssh-ed25519 AAAA..."
  }
}

variable "host_keys" {
  description = "Private SSH host keys to put into machines; these have keys of their own, so it stays empty"
  type        = map(string)
  nullable    = false
  sensitive   = true
}

variable "allowed_cidrs" {
  description = "Networks that may reach the cluster; the firewall of your machines is yours, so it stays empty"
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) == 0
    error_message = "Clouder does not touch the firewall of machines that are there: allowed_cidrs is empty."
  }
}

variable "tags" {
  description = "Words of your own about the machines, kept in the state"
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[A-Za-z0-9./_-]+$", key)) && can(regex("^[A-Za-z0-9./_-]*$", value))])
    error_message = "Tags are made of letters, digits and . / _ -."
  }
}

variable "options" {
  description = "What only this provider needs: endpoint (host:port of the API), ssh_user, bastion {host, port, user, host_key} or null"
  type = object({
    endpoint = string
    ssh_user = string
    bastion = optional(object({
      host     = string
      port     = number
      user     = string
      host_key = string
    }))
  })
  nullable = false

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{1,5}$", var.options.endpoint))
    error_message = "The endpoint is host:port, such as k8s.example.com:6443."
  }

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_-]{0,31}$", var.options.ssh_user))
    error_message = "The ssh_user is the name of a user on the machines."
  }

  validation {
    condition     = var.options.bastion == null || can(regex("^ssh-ed25519 ", var.options.bastion.host_key))
    error_message = "The host_key of the bastion is its public key, ssh-ed25519 AAAA..."
  }
}
