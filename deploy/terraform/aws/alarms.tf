# The same alarms as in template.yaml. The test `cloudwatch::alarms_and_dashboard_watch_what_the_function_writes` checks that their metrics
# exist.

locals {
  # metric, result, statistic, seconds, periods, threshold, whether missing data is the alarm, description
  alarms = {
    sweep        = ["sharehook_sweep_timestamp_seconds", "", "SampleCount", 300, 3, 1, true, "No sweep has ended for 15 minutes, so shares outlive their expiry."]
    drift-stop   = ["sharehook_drift_timestamp_seconds", "", "SampleCount", 86400, 1, 1, true, "Cloud and journal were not compared for a day."]
    overdue      = ["sharehook_grants_overdue", "", "Maximum", 300, 1, 0, false, "A share stands past its end; `sharehook grants --expired` lists it."]
    unfinished   = ["sharehook_oldest_unfinished_seconds", "", "Maximum", 300, 1, 3600, false, "A request has been unfinished for more than an hour."]
    drift        = ["sharehook_drift_differences", "", "Maximum", 43200, 1, 0, false, "Cloud and journal differ; `sharehook drift` lists the differences."]
    notification = ["sharehook_notifications_total", "given_up", "Sum", 300, 1, 0, false, "A notification was given up; `sharehook notify` lists it."]
    denied       = ["sharehook_deliveries_total", "denied", "Sum", 300, 1, 20, false, "More than 20 requests were denied in 5 minutes."]
    unauthorised = ["sharehook_deliveries_total", "unauthorised", "Sum", 300, 1, 200, false, "More than 200 deliveries failed authentication in 5 minutes."]
  }
}

resource "aws_cloudwatch_metric_alarm" "sharehook" {
  for_each            = local.alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value[7]
  namespace           = "sharehook"
  metric_name         = each.value[0]
  dimensions          = merge({ FunctionName = var.name }, each.value[1] == "" ? {} : { result = each.value[1] })
  statistic           = each.value[2]
  period              = each.value[3]
  evaluation_periods  = each.value[4]
  threshold           = each.value[5]
  comparison_operator = each.value[6] ? "LessThanThreshold" : "GreaterThanThreshold"
  treat_missing_data  = each.value[6] ? "breaching" : "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-errors"
  alarm_description   = "The function failed, or ran out of time; its log says why."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "A share request failed five times and waits in the dead-letter queue."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arns
}
