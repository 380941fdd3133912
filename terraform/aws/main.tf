# A cluster on AWS: EC2 instances in a VPC of its own.
#
#   network.tf   names, tags, the VPC and a public subnet for each zone
#   security.tf  who may reach what: one resource for each rule
#   identity.tf  what nodes may do in AWS
#   hosts.tf     one instance for each node, with the host key that Clouder knows
#   lb.tf        the API endpoint: network load balancers before the control planes
