output "hosts" {
  description = "The machines: name, role, pool, ssh {host, port, user}, private_ip, public_ip, provider_id, zone"
  value = [for name, node in aws_instance.node : {
    name        = name
    role        = var.nodes[name].role
    pool        = var.nodes[name].pool
    ssh         = { host = node.public_ip, port = 22, user = "admin" }
    private_ip  = node.private_ip
    public_ip   = node.public_ip
    provider_id = "aws:///${node.availability_zone}/${node.id}"
    zone        = node.availability_zone
  }]
}

output "api_endpoint" {
  description = "host:port of the Kubernetes API as certificates and nodes know it; never moves"
  value       = "${aws_lb.lb.dns_name}:6443"
  depends_on  = [aws_lb_listener.api, aws_lb_target_group_attachment.api]
}

output "api_access" {
  description = "host:port of the Kubernetes API from the machine that runs Clouder; never moves"
  value       = "${aws_lb.access.dns_name}:6443"
  depends_on  = [aws_lb_listener.api, aws_lb_target_group_attachment.api]
}

output "addon_values" {
  description = "What addons must know of this place: region, vpc_id, cluster_tag of what is the cluster's own, subnet_ids and node_security_group_id"
  value = {
    region                 = var.region
    vpc_id                 = aws_vpc.network.id
    cluster_tag            = local.cluster_tag
    subnet_ids             = [for zone in var.options.zones : aws_subnet.zone[zone].id]
    node_security_group_id = aws_security_group.nodes.id
  }
}
