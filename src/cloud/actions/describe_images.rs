//! CVM `DescribeImages`: reads one image by its id, without paging.
//! <https://cloud.tencent.com/document/api/213/15715>

use serde::{Deserialize, Serialize};

use super::{Action, Api, Purpose, Service};
use crate::domain::CvmImageId;

/// Identity of the action.
pub const API: Api = Api {
    service: Service::Cvm,
    version: "2017-03-12",
    action: "DescribeImages",
};

/// The request.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Request<'a> {
    /// The image.
    pub image_ids: [&'a CvmImageId; 1],
}

impl<'a> Request<'a> {
    /// One image.
    pub fn of(image: &'a CvmImageId) -> Self {
        Self { image_ids: [image] }
    }
}

/// The answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The images found.
    pub image_set: Option<Vec<CvmImage>>,
}

/// A CVM image. All but the id may be absent; enum-like values stay text, because the cloud adds
/// new ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "snake_case"))]
pub struct CvmImage {
    /// The image.
    pub image_id: CvmImageId,
    /// Its name.
    pub image_name: Option<String>,
    /// `NORMAL`, `CREATING` …; only NORMAL can be shared.
    pub image_state: Option<String>,
    /// `PRIVATE_IMAGE`, `PUBLIC_IMAGE`, `SHARED_IMAGE`; only a private one can be shared.
    pub image_type: Option<String>,
    /// As in `Ubuntu Server 20.04 LTS 64bit`.
    pub os_name: Option<String>,
    /// As in `Ubuntu`.
    pub platform: Option<String>,
    /// RFC 3339.
    pub created_time: Option<String>,
    /// The image's tags.
    #[serde(default)]
    pub tags: Option<Vec<Tag>>,
}

/// A tag of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "snake_case"))]
pub struct Tag {
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
}

impl Action for Request<'_> {
    const API: Api = API;
    type Answer = Answer;

    fn purpose(&self) -> Purpose {
        Purpose::Read
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
        assert_eq!(image.tags.unwrap()[0].value.as_deref(), Some("web"));
        assert_eq!(image.image_state, None);
    }

    #[test]
    fn the_body_has_the_id() {
        let image = "img-6pb6lrmy".parse().unwrap();
        let body = serde_json::to_string(&Request::of(&image)).unwrap();
        assert_eq!(body, r#"{"ImageIds":["img-6pb6lrmy"]}"#);
    }
}
