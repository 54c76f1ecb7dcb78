//! Checks whether a CVM image can be made available in Lighthouse: the six conditions on the page
//! of lighthouse `ModifyImageSharePermission`. That action and `DescribeImagesToShare` both use
//! this check, so that `IsShareable` agrees with the result of sharing.

use crate::error::ApiError;
use crate::world::{CvmImage, ImageClass, ImageSource, ImageState, ImageType};

/// Systems that Lighthouse supports, each with the lowest supported version. Source: the vendor's
/// guide to shared images.
const SYSTEMS: [(&str, (u32, u32)); 5] = [
    ("centos", (6, 8)),
    ("ubuntu", (14, 4)),
    ("debian", (8, 2)),
    ("windows", (2012, 0)),
    ("tencentos", (2, 4)),
];

/// Returns why an image cannot be made available in Lighthouse, or `None` if it can. The error has
/// the code of the refusal and the reason in words.
pub(super) fn obstacle(image: &CvmImage) -> Option<ApiError> {
    const UNABLE: &str = "UnsupportedOperation.ImageUnableToShare";
    const OCCUPIED: &str = "UnsupportedOperation.ImageOccupied";
    let unable = |reason: &str| Some(ApiError::new(UNABLE, format!("{reason}.")));
    match image.state {
        ImageState::Normal => {}
        ImageState::Using => {
            return Some(ApiError::new(
                "ResourceInUse.ImageInUse",
                "The image is in use.",
            ));
        }
        ImageState::Creating | ImageState::Syncing | ImageState::Importing => {
            return Some(ApiError::new(
                OCCUPIED,
                format!("The image is {}.", image.state.as_str()),
            ));
        }
        ImageState::CreateFailed | ImageState::ImportFailed => {
            return unable("The image is not in the NORMAL state");
        }
    }
    if image.occupied {
        return Some(ApiError::new(
            OCCUPIED,
            "The image is busy with another operation.",
        ));
    }
    if image.published.is_some() {
        return Some(ApiError::new(
            "UnsupportedOperation.ImageAlreadyShared",
            "The image has already been shared.",
        ));
    }
    if image.kind != ImageType::Private {
        return unable("The image is not a custom image of this account");
    }
    if image.source != ImageSource::Created {
        return unable("Imported images cannot be shared");
    }
    if image.class == ImageClass::Instance {
        return unable("Full-instance images cannot be shared");
    }
    if !image.cloud_init {
        return unable("The image does not support cloud-init");
    }
    // Not among the six conditions, but refused because CVM does not share these images either.
    if image.encrypted || image.byol {
        return unable("Encrypted images and images under an own licence cannot be shared");
    }
    if !system_is_taken(&image.platform, &image.os_name) {
        return unable("The operating system is not supported");
    }
    None
}

fn system_is_taken(platform: &str, os_name: &str) -> bool {
    let platform = platform.to_ascii_lowercase();
    let Some((_, lowest)) = SYSTEMS.iter().find(|(name, _)| platform.starts_with(name)) else {
        return false;
    };
    os_name
        .split_whitespace()
        .find_map(version)
        .is_some_and(|version| version >= *lowest)
}

fn version(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    let minor = minor.split('.').next().unwrap_or_default();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_taken_from_their_lowest_version() {
        for (platform, os_name, taken) in [
            ("CentOS", "CentOS 6.8 64bit", true),
            ("CentOS", "CentOS 6.10 64bit", true),
            ("CentOS", "CentOS 6.7 64bit", false),
            ("CentOS", "CentOS 7.9.2009 64bit", true),
            ("Ubuntu", "Ubuntu Server 14.04.1 LTS 64bit", true),
            ("Ubuntu", "Ubuntu Server 12.04 LTS 64bit", false),
            ("Debian", "Debian 11 64bit", true),
            ("Debian", "Debian 8.1 64bit", false),
            ("Windows", "Windows Server 2012 R2", true),
            ("Windows", "Windows Server 2008 R2", false),
            ("TencentOS", "TencentOS Server 3.1 (TK4)", true),
            ("FreeBSD", "FreeBSD 13.1 64bit", false),
            ("Ubuntu", "Ubuntu", false),
            ("", "", false),
        ] {
            assert_eq!(system_is_taken(platform, os_name), taken, "{os_name}");
        }
    }
}
