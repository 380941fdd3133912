# A cluster on OVHcloud: servers of the Public Cloud on a private network of the cluster's own.
#
#   network.tf   names, tags, the private network and the way out
#   security.tf  who may reach what: one resource for each rule
#   hosts.tf     one server for each node, with the host key that Clouder knows
#   lb.tf        the API endpoint: an Octavia load balancer before the control planes
