//! CVM `DescribeImages`: reads one image by its id, without paging.
//! <https://cloud.tencent.com/document/api/213/15715>

use serde::{Deserialize, Serialize};

use super::{Action, Api};
use crate::domain::CvmImageId;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    pub image_ids: [&'a CvmImageId; 1],
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    pub image_set: Option<Vec<CvmImage>>,
}

/// A CVM image, with the fields that this program reads. All fields except the id may be absent.
/// States and types are strings, because the cloud may add new values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CvmImage {
    pub image_id: CvmImageId,
    /// Such as `NORMAL` or `CREATING`. Only an image in state `NORMAL` can be shared.
    pub image_state: Option<String>,
    /// `PRIVATE_IMAGE`, `PUBLIC_IMAGE` or `SHARED_IMAGE`. Only a `PRIVATE_IMAGE` can be shared.
    pub image_type: Option<String>,
}

impl Action for Request<'_> {
    type Answer = Answer;

    fn api(&self) -> Api {
        Api::cvm("DescribeImages")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_with_only_an_id_is_read() {
        let text = r#"{"ImageSet":[{"ImageId":"img-6pb6lrmy","Tags":[{"Key":"team","Value":"web"}],"SyncPercent":null}]}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        let image = answer.image_set.unwrap().remove(0);
        assert_eq!((image.image_state, image.image_type), (None, None));
    }

    #[test]
    fn the_body_has_the_id() {
        let image = "img-6pb6lrmy".parse().unwrap();
        let body = serde_json::to_string(&Request {
            image_ids: [&image],
        })
        .unwrap();
        assert_eq!(body, r#"{"ImageIds":["img-6pb6lrmy"]}"#);
    }
}
