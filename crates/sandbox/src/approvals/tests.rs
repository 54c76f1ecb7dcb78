//! Tests the calls to each approval system, from requesting a token to writing a comment, and the
//! calls that each system refuses.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::request::Request;
use super::*;

struct Client {
    approvals: Approvals,
    system: ApprovalSystem,
}

impl Client {
    fn call(&mut self, line: &str, header: (&str, &str), body: Value) -> (u16, Value) {
        let (method, address) = line.split_once(' ').unwrap();
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let request = Request {
            method: method.to_owned(),
            query: query.to_owned(),
            headers: [(header.0.to_owned(), header.1.to_owned())].into(),
            body: Bytes::from(body.to_string()),
        };
        self.approvals.answer(self.system, path, &request)
    }
}

fn client(system: ApprovalSystem, instance: Value) -> Client {
    let mut approvals = Approvals::default();
    approvals.put(system, instance).unwrap();
    Client { approvals, system }
}

#[test]
fn feishu_gives_instances_lists_and_comments_for_a_valid_token() {
    let instance = json!({"instance_code": "A-1", "approval_code": "D", "status": "APPROVED", "start_time": "1000", "comment_list": []});
    let mut feishu = client(ApprovalSystem::Feishu, instance);
    let token = "POST open-apis/auth/v3/tenant_access_token/internal";
    let app = json!({"app_id": "cli", "app_secret": "s"});
    let (_, given) = feishu.call(token, ("x", ""), app);
    let bearer = format!("Bearer {}", given["tenant_access_token"].as_str().unwrap());
    let other = json!({"app_id": "cli", "app_secret": "other"});
    assert_eq!(feishu.call(token, ("x", ""), other).1["code"], 10_014);
    let auth = ("authorization", bearer.as_str());
    let one = "GET open-apis/approval/v4/instances/A-1";
    assert_eq!(
        feishu.call(one, ("x", ""), Value::Null).1["code"],
        99_991_663
    );
    let (_, read) = feishu.call(one, auth, Value::Null);
    assert_eq!(read["data"]["approval_code"], "D");
    let list = "POST open-apis/approval/v4/instances/query?page_size=1";
    let ask = json!({"approval_code": "D", "instance_status": "APPROVED",
        "instance_start_time_from": "1000", "instance_start_time_to": "1000"});
    let (_, listed) = feishu.call(list, auth, ask);
    assert_eq!(
        listed["data"]["instance_list"][0]["instance"]["code"],
        "A-1"
    );
    assert_eq!(listed["data"]["has_more"], false);
    let comment =
        "POST open-apis/approval/v4/instances/A-1/comments?user_id_type=user_id&user_id=bot";
    let body = json!({"content": "{\"text\":\"done\"}"});
    assert_eq!(feishu.call(comment, auth, body).1["code"], 0);
    let (_, read) = feishu.call(one, auth, Value::Null);
    assert_eq!(read["data"]["comment_list"][0]["comment"], "done");
    let plain = json!({"content": "done"});
    assert_eq!(feishu.call(comment, auth, plain).1["code"], 1_390_001);
    feishu.approvals.at(ApprovalSystem::Feishu).expire_tokens();
    assert_eq!(feishu.call(one, auth, Value::Null).1["code"], 99_991_663);
}

#[test]
fn dingtalk_gives_instances_lists_and_comments_for_a_valid_token() {
    let instance = json!({"processInstanceId": "P_1", "processCode": "PROC-1", "status": "COMPLETED",
        "createTime": "2026-11-02T08:00Z", "operationRecords": []});
    let mut dingtalk = client(ApprovalSystem::Dingtalk, instance);
    let app = json!({"appKey": "ding", "appSecret": "s"});
    let (_, given) = dingtalk.call("POST v1.0/oauth2/accessToken", ("x", ""), app);
    let token = given["accessToken"].as_str().unwrap().to_owned();
    let auth = ("x-acs-dingtalk-access-token", token.as_str());
    let one = "GET v1.0/workflow/processInstances?processInstanceId=P_1";
    let (status, refused) = dingtalk.call(one, ("x", ""), Value::Null);
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("InvalidAuthentication"))
    );
    let (_, read) = dingtalk.call(one, auth, Value::Null);
    assert_eq!(read["result"]["status"], "COMPLETED");
    assert!(read["result"].get("processCode").is_none(), "{read}");
    let list = "POST v1.0/workflow/processes/instanceIds/query";
    let at: i64 = 1_793_606_400_000;
    let ask = |from: i64| json!({"processCode": "PROC-1", "startTime": from, "endTime": at + 1, "nextToken": 0, "maxResults": 20});
    let (_, listed) = dingtalk.call(list, auth, ask(at));
    assert_eq!(listed["result"], json!({"list": ["P_1"]}));
    let (_, none) = dingtalk.call(list, auth, ask(at + 1));
    assert_eq!(none["result"], json!({"list": []}));
    let comment = "POST v1.0/workflow/processInstances/comments";
    let body = json!({"processInstanceId": "P_1", "text": "done", "commentUserId": "bot"});
    assert_eq!(dingtalk.call(comment, auth, body).1["success"], true);
    let (_, read) = dingtalk.call(one, auth, Value::Null);
    assert_eq!(read["result"]["operationRecords"][0]["remark"], "done");
}

#[test]
fn wecom_gives_instances_lists_and_messages_for_a_valid_token() {
    let instance =
        json!({"sp_no": "202611020001", "sp_status": 2, "template_id": "T", "apply_time": 1000});
    let mut wecom = client(ApprovalSystem::Wecom, instance);
    let gettoken = "GET cgi-bin/gettoken?corpid=ww1&corpsecret=s";
    let (_, given) = wecom.call(gettoken, ("x", ""), Value::Null);
    let token = given["access_token"].as_str().unwrap().to_owned();
    let with = |path: &str| format!("POST cgi-bin/{path}?access_token={token}");
    let none = ("x", "");
    let number = json!({"sp_no": "202611020001"});
    let (_, read) = wecom.call(&with("oa/getapprovaldetail"), none, number.clone());
    assert_eq!(read["info"]["template_id"], "T");
    let other = "POST cgi-bin/oa/getapprovaldetail?access_token=x";
    assert_eq!(wecom.call(other, none, number).1["errcode"], 40_014);
    let filters = json!([{"key": "template_id", "value": "T"}, {"key": "sp_status", "value": "2"}]);
    let ask = json!({"starttime": "1000", "endtime": "1000", "size": 100, "filters": filters});
    let (_, listed) = wecom.call(&with("oa/getapprovalinfo"), none, ask);
    assert_eq!(listed["sp_no_list"], json!(["202611020001"]));
    let message = json!({"touser": "wu", "msgtype": "text", "agentid": 1, "text": {"content": "done"}, "enable_duplicate_check": 1});
    for _ in 0..2 {
        let (_, sent) = wecom.call(&with("message/send"), none, message.clone());
        assert_eq!(sent["errcode"], 0);
    }
    assert_eq!(wecom.approvals.at(ApprovalSystem::Wecom).notes, ["done"]);
}

#[test]
fn a_path_belongs_to_a_system_by_its_first_part() {
    let found = addressed("/lark/open-apis/x").unwrap();
    assert_eq!(found, (ApprovalSystem::Feishu, "open-apis/x"));
    for other in ["/", "/feishu", "/inbox/x", "feishu/x"] {
        assert_eq!(addressed(other), None, "{other}");
    }
}

#[test]
fn a_ticket_is_read_by_its_id_in_a_path_or_a_query() {
    let mut desk = client(ApprovalSystem::Http, json!({"ticket": {"id": 7}}));
    let login = ("authorization", "Basic x");
    for path in ["GET api/tickets/7.json", "GET issue/7", "GET issue?id=7"] {
        let (status, ticket) = desk.call(path, login, Value::Null);
        assert_eq!(
            (status, &ticket["ticket"]["id"]),
            (200, &json!(7)),
            "{path}"
        );
    }
    for (call, header, status) in [
        ("GET issue/8", login, 404),
        ("GET issue/7", ("x", ""), 401),
        ("POST issue/7", login, 405),
    ] {
        assert_eq!(desk.call(call, header, Value::Null).0, status, "{call}");
    }
    desk.approvals.at(ApprovalSystem::Http).failing = Some("429".to_owned());
    assert_eq!(desk.call("GET issue/7", login, Value::Null).0, 429);
}
