# sharehook on AWS Lambda: an HTTP API, a queue with a dead-letter queue, two schedules, the journal's bucket, and alarms.
# Secrets are read at run time. README.md in the folder above says what differs from template.yaml, and what was not tried.

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80"
    }
  }
}

resource "aws_lambda_function" "sharehook" {
  function_name                  = var.name
  description                    = "Verifies, decides, journals and carries out image share requests."
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  memory_size                    = 256
  timeout                        = 60
  role                           = aws_iam_role.function.arn
  layers                         = [var.secrets_extension_arn]
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = merge({ for name in var.secret_names : name => "aws-secretsmanager:${var.secret_arn}#${name}" }, {
      SHAREHOOK_JOURNAL   = "s3://${aws_s3_bucket.journal.bucket}/journal"
      SHAREHOOK_QUEUE_ARN = aws_sqs_queue.requests.arn
      # The extension must not cache secrets, because the function decides when to read a secret again.
      SECRETS_MANAGER_TTL = "0"
      SHAREHOOK_SEAL_KEY  = "aws-secretsmanager:${var.secret_arn}#${var.seal_key_field}"
    }, var.cloud_site == "" ? {} : { SHAREHOOK_CLOUD_SITE = var.cloud_site })
  }

  logging_config {
    log_group  = aws_cloudwatch_log_group.function.name
    log_format = "JSON"
    # A level above INFO would drop the copies of records that the function writes to the log as evidence.
    application_log_level = "DEBUG"
  }

  tracing_config {
    mode = "Active"
  }
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/sharehook/${var.name}"
  retention_in_days = var.log_retention_days
}

# The permissions of the function. It may append to the journal and read it, delete entries of the journal's index, receive messages from
# the queue, read its secret, and write logs and traces.
resource "aws_iam_role" "function" {
  name               = "${var.name}-function"
  assume_role_policy = data.aws_iam_policy_document.assume_function.json
}

data "aws_iam_policy_document" "assume_function" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "sharehook"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}

data "aws_iam_policy_document" "function" {
  statement {
    sid       = "AppendAndRead"
    actions   = ["s3:PutObject", "s3:GetObject"]
    resources = ["${aws_s3_bucket.journal.arn}/journal/*"]
  }
  statement {
    sid       = "ForgetIndex"
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.journal.arn}/journal/index/*"]
  }
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.journal.arn]
    # IfExists is needed for reads of objects that do not exist. S3 answers such a read with 404 only
    # if the caller may list the bucket. When S3 checks this permission, the request has no s3:prefix.
    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = ["journal", "journal/*"]
    }
  }
  statement {
    sid       = "TakeRequests"
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.requests.arn]
  }
  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.secret_arn]
  }
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function.arn}:*"]
  }
  statement {
    sid       = "WriteTraces"
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"] # X-Ray knows no resources.
  }
}

# The HTTP API passes every path and method to the function, which checks the signature of each delivery. CORS must not be set, because API
# Gateway would then answer the OPTIONS handshake of CloudEvents webhooks instead of the function.
resource "aws_apigatewayv2_api" "hooks" {
  name          = var.name
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.hooks.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.sharehook.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_route" "all" {
  api_id             = aws_apigatewayv2_api.hooks.id
  route_key          = "$default"
  authorization_type = "NONE"
  target             = "integrations/${aws_apigatewayv2_integration.function.id}"
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.hooks.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = var.api_rate
    throttling_burst_limit = 2 * var.api_rate
  }

  # Headers and queries are not logged, because they may contain secrets.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.api.arn
    format = jsonencode({
      requestId    = "$context.requestId"
      time         = "$context.requestTime"
      ip           = "$context.identity.sourceIp"
      method       = "$context.httpMethod"
      path         = "$context.path"
      status       = "$context.status"
      milliseconds = "$context.responseLatency"
      error        = "$context.integrationErrorMessage"
    })
  }
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/sharehook/${var.name}/api"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_permission" "api" {
  function_name = aws_lambda_function.sharehook.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.hooks.execution_arn}/*"
}

# The queue for native requests from inside the AWS account. The visibility timeout is six times the function's timeout, so that no message
# becomes visible again while its batch is being processed.
resource "aws_sqs_queue" "requests" {
  name                       = "${var.name}-requests"
  sqs_managed_sse_enabled    = true
  visibility_timeout_seconds = 360
  message_retention_seconds  = 1209600
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${var.name}-dead-letters"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 1209600
}

# If a message of a batch is bad, only this message fails. At most two batches are processed at the same time, because
# the cloud's rate limit applies to all instances together, but each instance knows only its own calls.
resource "aws_lambda_event_source_mapping" "requests" {
  event_source_arn        = aws_sqs_queue.requests.arn
  function_name           = aws_lambda_function.sharehook.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = 2
  }
}

locals {
  # Retries are not needed, because the next run continues the work.
  schedules = {
    sweep = "rate(5 minutes)"
    drift = "rate(12 hours)"
  }
}

resource "aws_scheduler_schedule" "task" {
  for_each            = local.schedules
  name                = "${var.name}-${each.key}"
  schedule_expression = each.value
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_lambda_function.sharehook.arn
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ task = each.key })
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 300
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  assume_role_policy = data.aws_iam_policy_document.assume_scheduler.json
}

data "aws_iam_policy_document" "assume_scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "invoke"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.sharehook.arn]
  }
}

output "hook_url" {
  value       = "${aws_apigatewayv2_api.hooks.api_endpoint}/hooks/"
  description = "Append the source's name, and enter the result in the ticketing system."
}

output "queue_url" {
  value       = aws_sqs_queue.requests.url
  description = "Where programs inside the account send native requests."
}

output "function_arn" {
  value       = aws_lambda_function.sharehook.arn
  description = "The function, for triggers that this module does not make, such as a state machine."
}

output "journal" {
  value       = "s3://${aws_s3_bucket.journal.bucket}/journal"
  description = "The journal, for the command line (SHAREHOOK_JOURNAL)."
}
