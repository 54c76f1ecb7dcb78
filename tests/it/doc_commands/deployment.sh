# A deployment with one request in its journal: CHG0030192 shared a blueprint with a staging account.
export TENCENTCLOUD_SECRET_ID=AKIDSANDBOX0000000000000000000000000
export TENCENTCLOUD_SECRET_KEY=sandboxSecretKEY0123456789abcdef
export SHAREHOOK_CLOUD_ENDPOINT=http://127.0.0.1:$CLOUD
command sharehook sandbox --listen "127.0.0.1:$CLOUD" >cloud.log 2>&1 &
wait_for "$SHAREHOOK_CLOUD_ENDPOINT/"
command sharehook init shares --source jira --source native --source helpdesk --source invoke >/dev/null
cd shares
set -a; . ./.env; set +a
cat >request.json <<'JSON'
{"id": "CHG0030192", "ticket": "CHG0030192", "action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
 "accounts": ["700000164995"], "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": "30d"}
JSON
command sharehook invoke request.json >/dev/null
cp policy/cases/events/body-jira-approved.json ticket.json
export DEPLOYED=$PWD
ln -s ../scripts ../target .
# Imitates the AWS CLI for a stack whose journal, key and secrets are those of this deployment.
aws() {
  case "$1 $2" in
    "configure export-credentials") echo "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE" ;;
    "cloudformation describe-stacks") echo "file:$DEPLOYED/journal" ;;
    "secretsmanager get-secret-value") python3 -c 'import json, os
names = ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "JIRA_WEBHOOK_SECRET"]
key = open(os.environ["DEPLOYED"] + "/seal.key").read()
print(json.dumps({"SHAREHOOK_SEAL_KEY": key} | {name: os.environ[name] for name in names}))' ;;
    *) echo "aws $*" >&2; return 1 ;;
  esac
}
