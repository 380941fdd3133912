# What a node may do in AWS. The metadata service answers nodes alone, not the pods on them (hop limit 1 in
# hosts.tf), so that only pods of the host network have these rights: the controllers that need them.
data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "node" {
  name               = "${local.unique}-node"
  description        = "Workers of the Clouder cluster ${var.cluster_name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = local.tags
}

resource "aws_iam_role" "control_plane" {
  name               = "${local.unique}-master"
  description        = "Control planes of the Clouder cluster ${var.cluster_name}"
  assume_role_policy = data.aws_iam_policy_document.assume.json
  tags               = local.tags
}

resource "aws_iam_instance_profile" "node" {
  name = aws_iam_role.node.name
  role = aws_iam_role.node.name
  tags = local.tags
}

resource "aws_iam_instance_profile" "control_plane" {
  name = aws_iam_role.control_plane.name
  role = aws_iam_role.control_plane.name
  tags = local.tags
}

# Workers look themselves up, no more.
data "aws_iam_policy_document" "node" {
  statement {
    sid       = "LookAtMachines"
    actions   = ["ec2:DescribeInstances", "ec2:DescribeRegions", "ec2:DescribeAvailabilityZones"]
    resources = ["*"] # AWS knows no narrower form of these
  }
}

resource "aws_iam_role_policy" "node" {
  name   = "node"
  role   = aws_iam_role.node.id
  policy = data.aws_iam_policy_document.node.json
}

# The cloud controller manager: it reads, and changes load balancers and groups that bear the cluster's tag.
data "aws_iam_policy_document" "ccm" {
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstances",
      "ec2:DescribeInstanceTopology",
      "ec2:DescribeRegions",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcs",
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeLoadBalancerAttributes",
      "elasticloadbalancing:DescribeLoadBalancerPolicies",
      "elasticloadbalancing:DescribeLoadBalancers",
      "elasticloadbalancing:DescribeTags",
      "elasticloadbalancing:DescribeTargetGroupAttributes",
      "elasticloadbalancing:DescribeTargetGroups",
      "elasticloadbalancing:DescribeTargetHealth",
    ]
    resources = ["*"]
  }

  statement {
    sid = "MakeTagged"
    actions = [
      "elasticloadbalancing:AddTags",
      "elasticloadbalancing:CreateListener",
      "elasticloadbalancing:CreateLoadBalancer",
      "elasticloadbalancing:CreateTargetGroup",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }

  statement {
    sid     = "MakeGroups"
    actions = ["ec2:CreateSecurityGroup"]
    resources = [
      aws_vpc.network.arn,
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}:*:security-group/*",
    ]
  }

  statement {
    sid       = "TagNewGroups"
    actions   = ["ec2:CreateTags"]
    resources = ["arn:${data.aws_partition.here.partition}:ec2:${var.region}:*:security-group/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }

  statement {
    sid = "ChangeOwn"
    actions = [
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:DeleteSecurityGroup",
      "ec2:RevokeSecurityGroupIngress",
      "elasticloadbalancing:ApplySecurityGroupsToLoadBalancer",
      "elasticloadbalancing:AttachLoadBalancerToSubnets",
      "elasticloadbalancing:ConfigureHealthCheck",
      "elasticloadbalancing:CreateLoadBalancerListeners",
      "elasticloadbalancing:CreateLoadBalancerPolicy",
      "elasticloadbalancing:DeleteListener",
      "elasticloadbalancing:DeleteLoadBalancer",
      "elasticloadbalancing:DeleteLoadBalancerListeners",
      "elasticloadbalancing:DeleteTargetGroup",
      "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
      "elasticloadbalancing:DeregisterTargets",
      "elasticloadbalancing:DetachLoadBalancerFromSubnets",
      "elasticloadbalancing:ModifyListener",
      "elasticloadbalancing:ModifyLoadBalancerAttributes",
      "elasticloadbalancing:ModifyTargetGroup",
      "elasticloadbalancing:ModifyTargetGroupAttributes",
      "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
      "elasticloadbalancing:RegisterTargets",
      "elasticloadbalancing:SetLoadBalancerPoliciesForBackendServer",
      "elasticloadbalancing:SetLoadBalancerPoliciesOfListener",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }
}

resource "aws_iam_role_policy" "ccm" {
  name   = "cloud-controller-manager"
  role   = aws_iam_role.control_plane.id
  policy = data.aws_iam_policy_document.ccm.json
}

# The EBS CSI driver, started with --k8s-tag-cluster-id: every volume it makes bears the cluster's tag.
data "aws_iam_policy_document" "csi" {
  statement {
    sid = "Look"
    actions = [
      "ec2:DescribeAvailabilityZones",
      "ec2:DescribeInstances",
      "ec2:DescribeSnapshots",
      "ec2:DescribeTags",
      "ec2:DescribeVolumeStatus",
      "ec2:DescribeVolumes",
      "ec2:DescribeVolumesModifications",
    ]
    resources = ["*"]
  }

  statement {
    sid     = "MakeTagged"
    actions = ["ec2:CreateVolume", "ec2:CreateSnapshot"]
    resources = [
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}:*:volume/*",
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}::snapshot/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }

  # A volume from a snapshot, a snapshot of a volume: the source, which must be the cluster's own.
  statement {
    sid     = "UseOwnSources"
    actions = ["ec2:CreateVolume", "ec2:CreateSnapshot"]
    resources = [
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}:*:volume/*",
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}::snapshot/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }

  statement {
    sid     = "TagNew"
    actions = ["ec2:CreateTags"]
    resources = [
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}:*:volume/*",
      "arn:${data.aws_partition.here.partition}:ec2:${var.region}::snapshot/*",
    ]

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["CreateVolume", "CreateSnapshot"]
    }
  }

  statement {
    sid = "ChangeOwn"
    actions = [
      "ec2:AttachVolume",
      "ec2:DeleteSnapshot",
      "ec2:DeleteVolume",
      "ec2:DetachVolume",
      "ec2:ModifyVolume",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/${local.cluster_tag}"
      values   = ["owned"]
    }
  }
}

resource "aws_iam_role_policy" "csi" {
  name   = "ebs-csi"
  role   = aws_iam_role.control_plane.id
  policy = data.aws_iam_policy_document.csi.json
}

data "aws_partition" "here" {}
