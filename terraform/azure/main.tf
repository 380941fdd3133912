# A cluster on Azure: virtual machines in a resource group of its own.
#
#   network.tf   names, tags, the resource group, the virtual network and its way out, a NAT gateway
#   security.tf  who may reach what: one resource for each rule
#   identity.tf  what nodes may do in Azure
#   hosts.tf     one machine for each node, with the host key that Clouder knows
#   lb.tf        the API endpoint: a standard load balancer with a DNS name before the control planes
