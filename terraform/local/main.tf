# A cluster on this machine: containers that run systemd, on a Docker network of their own.
#
#   network.tf  names, labels, the Docker network; what sweeps up at the end
#   hosts.tf    one container for each node
#   lb.tf       the API endpoint: a haproxy before the control planes
#   scripts/    what the steps above run
#
# No provider is needed: terraform_data is built in, and the scripts call the docker command.
