# The network between the machines is the owner's, and so is its firewall; nothing is made here but a record.
# The machines must reach each other on:
#   6443/tcp       workers to control planes: the API
#   10250/tcp      control planes to all: the kubelet
#   2379-2380/tcp  control planes to each other: etcd
#   8472/udp       all to all: Flannel's VXLAN
# and this machine (or the bastion) must reach all of them on their SSH port.
resource "terraform_data" "network" {
  input = {
    cluster = var.cluster_name
    tags    = var.tags
    allowed = var.allowed_cidrs
    login   = var.ssh_public_key
  }
}
