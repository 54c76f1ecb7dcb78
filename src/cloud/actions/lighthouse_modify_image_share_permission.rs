//! Lighthouse `ModifyImageSharePermission`: makes a CVM image available in Lighthouse, in the same
//! account and region, or makes it unavailable there again. Limits: the image's `IsShareable` must
//! be true; 20 calls a second. CVM has an action of the same name, which shares images with
//! accounts.

use serde::{Deserialize, Serialize};

use super::action::permission;
use super::{Action, Api, Purpose};
use crate::domain::{self, BlueprintId, CvmImageId};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    pub image_id: &'a CvmImageId,
    #[serde(rename = "Permission", serialize_with = "permission")]
    pub action: domain::Action,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    #[serde(default)]
    blueprint_id: Option<String>,
}

impl Answer {
    /// Returns the id of the blueprint that Lighthouse made from the image, or `None` if the answer
    /// has no valid id. An invalid id is not an error: the write has succeeded, and the id can
    /// still be found in the list of blueprints.
    pub fn blueprint(&self) -> Option<BlueprintId> {
        self.blueprint_id.as_deref()?.parse().ok()
    }
}

impl Action for Request<'_> {
    type Answer = Answer;

    fn api(&self) -> Api {
        Api::lighthouse("ModifyImageSharePermission")
    }

    fn purpose(&self) -> Purpose {
        self.action.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_says_cancel_in_full() {
        let image = "img-xkd784jw".parse().unwrap();
        let request = Request {
            image_id: &image,
            action: domain::Action::Cancel,
        };
        let body = serde_json::to_string(&request).unwrap();
        assert_eq!(body, r#"{"ImageId":"img-xkd784jw","Permission":"CANCEL"}"#);
        assert_eq!(request.purpose(), Purpose::Cancel);
    }

    #[test]
    fn an_odd_blueprint_id_counts_as_none() {
        for (text, id) in [
            (r#"{"BlueprintId":"lhbp-su83x02a"}"#, Some("lhbp-su83x02a")),
            (r#"{"BlueprintId":null}"#, None),
            (r#"{"BlueprintId":""}"#, None),
            (r#"{"BlueprintId":"../etc"}"#, None),
            ("{}", None),
        ] {
            let answer: Answer = serde_json::from_str(text).unwrap();
            assert_eq!(
                answer.blueprint().as_ref().map(BlueprintId::as_str),
                id,
                "{text}"
            );
        }
    }
}
