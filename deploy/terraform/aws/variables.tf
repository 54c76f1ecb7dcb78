variable "name" {
  type        = string
  default     = "sharehook"
  description = "Name of the function, and the beginning of all other names."
}

variable "package" {
  type        = string
  description = "The package that scripts/package made: target/package/bootstrap.zip."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "x86_64 or arm64: what scripts/package built for."
}

variable "secret_arn" {
  type        = string
  description = "Secrets Manager secret, a JSON object, with a field for each of secret_names and for seal_key_field."
}

variable "secret_names" {
  type        = list(string)
  default     = ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "JIRA_WEBHOOK_SECRET", "GITHUB_WEBHOOK_SECRET"]
  description = "The fields of the secret that the function reads: the cloud's key pair, and each env:NAME of sharehook.toml."
}

variable "secrets_extension_arn" {
  type        = string
  description = "The AWS Parameters and Secrets Lambda Extension of your region and architecture."
}

variable "seal_key_field" {
  type        = string
  default     = "SHAREHOOK_SEAL_KEY"
  description = "The secret's field with the key that seals the journal: openssl rand -base64 32, made once and kept."
}

variable "cloud_site" {
  type        = string
  default     = ""
  description = "Which Tencent Cloud site the images belong to: intl or cn; empty for the site of sharehook.toml."
}

variable "journal_retention_days" {
  type        = number
  default     = 0
  description = "Days for which no user, not even root, can delete a journal object (Object Lock, compliance mode). 0 locks nothing."
}

variable "log_retention_days" {
  type        = number
  default     = 90
  description = "Days to keep the function's log and the API's access log."
}

variable "api_rate" {
  type        = number
  default     = 50
  description = "Requests a second that the HTTP API lets through."
}

variable "reserved_concurrency" {
  type        = number
  default     = -1
  description = "Most invocations at once; -1 reserves none."
}

variable "alarm_topic_arns" {
  type        = list(string)
  default     = []
  description = "SNS topics that the alarms notify."
}
