//! The instance of an approval system that an event names. In: a verified event, and the instance that
//! was fetched for it. Out: which instance to fetch, and whether it confirms what the event says. An event
//! is a hint: the form and the people who approved come from the instance alone.

use serde::Deserialize;
use serde_json::{Value, json};

use super::verify::{VerifiedDelivery, Verifier};
use crate::domain::{SourceName, read_json};

/// The systems whose instances can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FetchPreset {
    /// Feishu, in China.
    Feishu,
    /// Lark, elsewhere.
    Lark,
}

impl FetchPreset {
    /// Its name in the configuration, which is the scheme's too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feishu => "feishu",
            Self::Lark => "lark",
        }
    }

    /// The address of its API.
    pub fn url(self) -> &'static str {
        match self {
            Self::Feishu => "https://open.feishu.cn",
            Self::Lark => "https://open.larksuite.com",
        }
    }
}

/// Why an instance does not confirm its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unconfirmed {
    /// It is not final yet, so a later look may find it so.
    NotYet(String),
    /// No later look can change that.
    Never(String),
}

/// The instance that an event names, if the event says that one of these definitions was approved.
pub fn approved_instance(event: &Value, definitions: &[String]) -> Option<String> {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    // Version 1 of the protocol, and version 2.
    let kind = text("/header/event_type").or_else(|| text("/event/type"))?;
    let of_instance = matches!(
        kind,
        "approval_instance" | "approval.instance.status_changed_v4"
    );
    let definition = text("/event/approval_code")?;
    let listed = definitions.iter().any(|listed| listed == definition);
    let instance = text("/event/instance_code").filter(|code| is_code(code))?;
    (of_instance && listed && text("/event/status") == Some("APPROVED"))
        .then(|| instance.to_owned())
}

/// The event without the app's Verification Token, which is a secret.
pub fn without_token(mut event: Value) -> Value {
    for place in ["", "/header"] {
        if let Some(Value::Object(fields)) = event.pointer_mut(place) {
            fields.remove("token");
        }
    }
    event
}

/// The code of a definition or an instance, which is safe in a path.
pub fn is_code(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(good)
}

/// Checks the instance that was fetched, and reads its form, which Feishu writes as JSON in a text.
///
/// # Errors
/// It is another instance, of another definition, not approved, or withdrawn; or it changes another
/// instance.
pub fn confirmed(
    named: &str,
    mut instance: Value,
    definitions: &[String],
) -> Result<Value, Unconfirmed> {
    let never = |why: String| Err(Unconfirmed::Never(why));
    let text = |name: &str| instance.get(name).and_then(Value::as_str);
    // The path of the request takes the id that the instance's creator chose, too.
    if text("instance_code") != Some(named) {
        return never("the instance has another code than the event names".to_owned());
    }
    let definition = text("approval_code").unwrap_or_default();
    if !definitions.iter().any(|listed| listed == definition) {
        return never("the instance is of a definition that `fetch` does not list".to_owned());
    }
    match text("status").unwrap_or_default() {
        "APPROVED" => {}
        "PENDING" => {
            let why = "the instance is still pending, although the event says approved";
            return Err(Unconfirmed::NotYet(why.to_owned()));
        }
        other => {
            let other = crate::domain::shown(other);
            return never(format!("the instance has the status {other}"));
        }
    }
    match instance.get("reverted") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(_) => return never("the instance was withdrawn after its approval".to_owned()),
    }
    for name in ["reverted_instance_code", "modified_instance_code"] {
        if text(name).is_some_and(|code| !code.is_empty()) {
            return never(format!(
                "the instance withdraws or changes another one ({name})"
            ));
        }
    }
    let form = read_json(text("form").unwrap_or_default().as_bytes());
    let Some(form) = form.ok().filter(Value::is_array) else {
        return never("the form of the instance is not a JSON list".to_owned());
    };
    if let Some(field) = instance.get_mut("form") {
        *field = form;
    }
    Ok(instance)
}

impl Verifier {
    /// The delivery that a map sees: the event, which this verifier verified before it was recorded, and
    /// the instance.
    pub fn fetched(
        &self,
        source: SourceName,
        delivery_id: String,
        event: &Value,
        instance: &Value,
    ) -> VerifiedDelivery {
        let document = json!({ "event": event, "instance": instance });
        self.recorded(source, delivery_id, document.to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "81D31358-93AF-92D6-7425-01A5D67C4E71";
    const DEFINITION: &str = "7C468A54-8745-2245-9675-08B7C63E7A85";

    fn instance() -> Value {
        json!({
            "instance_code": CODE, "approval_code": DEFINITION, "status": "APPROVED", "reverted": false,
            "form": "[{\"custom_id\":\"image\",\"value\":\"lhbp-6jc6l8yb\"}]", "timeline": [],
        })
    }

    fn definitions() -> Vec<String> {
        vec![DEFINITION.to_owned()]
    }

    #[test]
    fn only_an_approved_instance_of_a_listed_definition_confirms_its_event() {
        let good = confirmed(CODE, instance(), &definitions()).unwrap();
        assert_eq!(good["form"][0]["custom_id"], "image");
        for (field, value, says) in [
            ("instance_code", json!("OTHER"), "another code"),
            ("approval_code", json!("OTHER"), "does not list"),
            ("status", json!("REJECTED"), "REJECTED"),
            ("status", json!("CANCELED"), "CANCELED"),
            ("status", json!("DELETED"), "DELETED"),
            ("status", Value::Null, "status"),
            ("reverted", json!(true), "withdrawn"),
            ("reverted", json!("true"), "withdrawn"),
            (
                "reverted_instance_code",
                json!("A-1"),
                "withdraws or changes",
            ),
            (
                "modified_instance_code",
                json!("A-1"),
                "withdraws or changes",
            ),
            ("form", json!("{}"), "form"),
            ("form", json!("["), "form"),
            ("form", json!([]), "form"),
            ("form", json!("[{\"a\":1,\"a\":2}]"), "form"),
        ] {
            let mut changed = instance();
            changed[field] = value;
            match confirmed(CODE, changed, &definitions()) {
                Err(Unconfirmed::Never(why)) => assert!(why.contains(says), "{field}: {why}"),
                other => panic!("{field}: {other:?}"),
            }
        }
        let mut pending = instance();
        pending["status"] = json!("PENDING");
        assert!(matches!(
            confirmed(CODE, pending, &definitions()),
            Err(Unconfirmed::NotYet(_))
        ));
    }

    #[test]
    fn only_an_approval_of_a_listed_definition_is_worth_a_fetch() {
        let v1 = json!({"event": {"type": "approval_instance", "approval_code": DEFINITION,
            "instance_code": CODE, "status": "APPROVED"}});
        let v2 = json!({"header": {"event_type": "approval.instance.status_changed_v4"},
            "event": {"approval_code": DEFINITION, "instance_code": CODE, "status": "APPROVED"}});
        for event in [&v1, &v2] {
            let named = approved_instance(event, &definitions());
            assert_eq!(named.as_deref(), Some(CODE));
            for (field, value) in [
                ("status", "PENDING"),
                ("status", "REVERTED"),
                ("approval_code", "OTHER"),
                ("instance_code", "../users"),
                ("instance_code", ""),
            ] {
                let mut changed = event.clone();
                changed["event"][field] = value.into();
                assert_eq!(approved_instance(&changed, &definitions()), None, "{value}");
            }
        }
        let mut task = v1.clone();
        task["event"]["type"] = "approval_task".into();
        assert_eq!(approved_instance(&task, &definitions()), None);
    }
}
