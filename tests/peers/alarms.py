"""Evaluates the alarms of a stack on the local AWS, using the metrics that the function wrote to its log.

The local AWS reads no metrics from logs and has no metrics of queues. It evaluates an alarm over all dimensions of its metric, and
ignores missing data. So this module publishes the function's lines with PutMetricData, and evaluates each alarm's definition over the
alarm's own dimensions, as CloudWatch's documentation says.
"""

import datetime
import json

from support import check

OPERATORS = {"GreaterThanThreshold": lambda value, limit: value > limit, "LessThanThreshold": lambda value, limit: value < limit}


class Alarms:
    """The alarms of one stack by their names in the template."""

    def __init__(self, aws, parts: dict):
        self.aws, self.metrics, self.logs = aws, aws.client("cloudwatch"), aws.client("logs")
        self.names = {part: name for part, name in parts.items() if part.endswith("Alarm")}
        self.group = parts["FunctionLog"]
        self.published = set()

    def publish(self) -> int:
        """Publishes the metrics that the function wrote since the last call. Returns their number."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.group)
        messages = {event["message"] for page in pages for event in page["events"] if event["message"].startswith('{"_aws"')}
        # Each line has its own instant, so no two messages are equal.
        fresh = [json.loads(message) for message in sorted(messages - self.published)]
        self.published |= messages
        for line in fresh:
            for directive in line["_aws"]["CloudWatchMetrics"]:
                dimensions = [{"Name": name, "Value": line[name]} for name in directive["Dimensions"][0]]
                self.metrics.put_metric_data(Namespace=directive["Namespace"], MetricData=[
                    {"MetricName": metric["Name"], "Dimensions": dimensions, "Unit": metric["Unit"], "Value": line[metric["Name"]],
                     "Timestamp": line["_aws"]["Timestamp"] / 1000} for metric in directive["Metrics"]])
        return len(fresh)

    def put(self, namespace: str, metric: str, dimension: tuple, value: float) -> None:
        """Publishes one value of a metric that AWS itself would publish."""
        name, of = dimension
        self.metrics.put_metric_data(Namespace=namespace, MetricData=[
            {"MetricName": metric, "Dimensions": [{"Name": name, "Value": of}], "Value": value}])

    def definition(self, part: str) -> dict:
        """Returns the definition with which an alarm was created."""
        found = self.metrics.describe_alarms(AlarmNames=[self.names[part]])["MetricAlarms"]
        check(len(found) == 1, f"one alarm {part}", found)
        return found[0]

    def state(self, part: str, minutes_later: float = 0) -> str:
        """Returns the state of an alarm now, or at a later instant if nothing is published until then."""
        alarm = self.definition(part)
        # A little later than now, so that the newest values count.
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5, minutes=minutes_later)
        period = datetime.timedelta(seconds=alarm["Period"])
        breaching = []
        for number in range(alarm["EvaluationPeriods"]):
            points = self.metrics.get_metric_statistics(
                Namespace=alarm["Namespace"], MetricName=alarm["MetricName"], Dimensions=alarm["Dimensions"],
                StartTime=end - period * (number + 1), EndTime=end - period * number, Period=alarm["Period"],
                Statistics=[alarm["Statistic"]])["Datapoints"]
            breaches = OPERATORS[alarm["ComparisonOperator"]]
            values = [breaches(point[alarm["Statistic"]], alarm["Threshold"]) for point in points]
            breaching.append(any(values) if values else alarm["TreatMissingData"] == "breaching")
        return "ALARM" if all(breaching) else "OK"
