# sharehook on Tencent SCF: a web function that takes signed webhooks, an event function that sweeps, their role. README.md in the folder
# above says what was checked.

terraform {
  required_version = ">= 1.6"
  required_providers {
    tencentcloud = {
      source  = "tencentcloudstack/tencentcloud"
      version = ">= 1.81"
    }
  }
}

variable "name" {
  type        = string
  default     = "sharehook"
  description = "Name of the web function and the role. The event function's name ends in -sweep."
}

variable "package" {
  type        = string
  description = "The zip of deploy/scf/README.md: scf_bootstrap, bootstrap, the static binary, the bundle."
}

variable "journal" {
  type        = string
  description = "The journal, such as s3://bucket/prefix. It cannot be in COS: docs/journal.md says why."
}

variable "variables" {
  type        = map(string)
  sensitive   = true
  description = "Each env:NAME of sharehook.toml, SHAREHOOK_SEAL_KEY, and the journal's credentials."
}

# The function signs its calls to Tencent Cloud with the credentials of this role, so no key pair
# needs to be stored.
resource "tencentcloud_cam_role" "function" {
  name = var.name
  document = jsonencode({
    version = "2.0"
    statement = [{
      effect    = "allow"
      action    = "name/sts:AssumeRole"
      principal = { service = "scf.qcloud.com" }
    }]
  })
}

resource "tencentcloud_cam_policy" "share" {
  name = "${var.name}-share"
  document = jsonencode({
    version = "2.0"
    statement = [{
      effect = "allow"
      action = [
        "cvm:DescribeImages",
        "cvm:DescribeImageSharePermission",
        "cvm:ModifyImageSharePermission",
        "lighthouse:CancelShareBlueprintAcrossAccounts",
        "lighthouse:DescribeBlueprints",
        "lighthouse:DescribeBlueprintsShareAcrossAccountInfos",
        "lighthouse:DescribeImagesToShare",
        "lighthouse:ModifyImageSharePermission",
        "lighthouse:ShareBlueprintAcrossAccounts",
        "sts:GetCallerIdentity",
      ]
      resource = "*"
    }]
  })
}

resource "tencentcloud_cam_role_policy_attachment" "share" {
  role_id   = tencentcloud_cam_role.function.id
  policy_id = tencentcloud_cam_policy.share.id
}

resource "tencentcloud_scf_function" "sharehook" {
  name        = var.name
  func_type   = "HTTP"
  runtime     = "CustomRuntime"
  handler     = "scf_bootstrap"
  zip_file    = var.package
  mem_size    = 256
  timeout     = 60
  role        = tencentcloud_cam_role.function.name
  environment = merge(var.variables, { SHAREHOOK_JOURNAL = var.journal })
}

# A web function takes no timer event, so this function of the same package ends expired shares.
resource "tencentcloud_scf_function" "sweep" {
  name        = "${var.name}-sweep"
  func_type   = "Event"
  runtime     = "CustomRuntime"
  handler     = "bootstrap"
  zip_file    = var.package
  mem_size    = 256
  timeout     = 60
  role        = tencentcloud_cam_role.function.name
  environment = merge(var.variables, { SHAREHOOK_JOURNAL = var.journal })

  triggers {
    name         = "sweep"
    type         = "timer"
    trigger_desc = "0 */5 * * * * *"
  }
}

output "function" {
  value       = tencentcloud_scf_function.sharehook.name
  description = "Give it a function URL in the console, and put .../hooks/SOURCE into the ticket system."
}
