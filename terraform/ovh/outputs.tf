output "hosts" {
  description = "The machines: name, role, pool, ssh {host, port, user}, private_ip, public_ip, provider_id, zone"
  value = [for name, node in openstack_compute_instance_v2.node : {
    name        = name
    role        = var.nodes[name].role
    pool        = var.nodes[name].pool
    ssh         = { host = openstack_networking_floatingip_v2.node[name].address, port = 22, user = "debian" }
    private_ip  = openstack_networking_port_v2.node[name].all_fixed_ips[0]
    public_ip   = openstack_networking_floatingip_v2.node[name].address
    provider_id = "openstack:///${node.id}"
    zone        = node.availability_zone
  }]
}

output "api_endpoint" {
  description = "host:port of the Kubernetes API as certificates and nodes know it; never moves"
  value       = "${openstack_lb_loadbalancer_v2.api.vip_address}:6443"
  depends_on  = [openstack_lb_member_v2.api]
}

output "api_access" {
  description = "host:port of the Kubernetes API from the machine that runs Clouder; never moves"
  value       = "${openstack_networking_floatingip_v2.api.address}:6443"
  depends_on  = [openstack_lb_member_v2.api]
}

output "addon_values" {
  description = "What addons must know of this place: region, network_id, subnet_id, floating_network_id and router_id"
  value = {
    region              = var.region
    network_id          = openstack_networking_network_v2.network.id
    subnet_id           = openstack_networking_subnet_v2.network.id
    floating_network_id = data.openstack_networking_network_v2.external.id
    router_id           = openstack_networking_router_v2.network.id
  }
}
