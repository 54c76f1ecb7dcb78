//! lighthouse `ModifyImageSharePermission`: makes a blueprint from a CVM custom image, or removes
//! that blueprint. Source: its API page. The sandbox chooses what the page does not document:
//! CANCEL succeeds for an image that is not in Lighthouse, and CANCEL also removes a blueprint that
//! is shared with accounts.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::context::{ActionContext, Answer};
use super::shareable::obstacle;
use crate::error::{clip, refuse};
use crate::world::{Blueprint, BlueprintKind, BlueprintState, CvmImage, Shares, is_image_id};

/// The image in the example of the API page, and the id of its blueprint there. The sandbox gives
/// this image the same blueprint id.
const EXAMPLE: (&str, &str) = ("img-xkd784jw", "lhbp-su83x02a");

pub(super) fn run(context: ActionContext<'_>) -> Answer {
    let id = context.params.text("ImageId");
    if !is_image_id(id, "img-") {
        let message = format!("The image ID `{}` is malformed.", clip(id));
        return refuse("InvalidParameterValue.InvalidImageIdMalformed", message);
    }
    let share = context.params.shares()?;
    context.check_service_role()?;
    let delay = context.behaviour.publish_delay;
    let normal_at = (!delay.is_zero()).then(|| context.after(delay));
    let now = context.now;
    let Some(image) = context.stock.images.get_mut(id) else {
        return refuse(
            "ResourceNotFound.ImageIdNotFound",
            format!("The image `{id}` does not exist."),
        );
    };
    let blueprint_id = if share {
        if let Some(refusal) = obstacle(image) {
            return Err(refusal);
        }
        let blueprint_id = blueprint_id_of(id);
        image.published = Some(blueprint_id.clone());
        let blueprint = Blueprint {
            state: if normal_at.is_some() {
                BlueprintState::Syncing
            } else {
                BlueprintState::Normal
            },
            normal_at,
            created: now,
            ..published(id, image)
        };
        context
            .stock
            .blueprints
            .insert(blueprint_id.clone(), blueprint);
        Value::String(blueprint_id)
    } else {
        if let Some(blueprint_id) = image.published.take() {
            context.stock.blueprints.remove(&blueprint_id);
        }
        Value::Null
    };
    Ok(Map::from_iter([("BlueprintId".to_owned(), blueprint_id)]))
}

fn published(id: &str, image: &CvmImage) -> Blueprint {
    Blueprint {
        kind: BlueprintKind::Shared,
        image_id: id.to_owned(),
        os_name: image.os_name.clone(),
        platform: image.platform.to_ascii_uppercase(),
        size: image.size,
        shares: Shares::new(),
        ..Blueprint::custom(&image.name)
    }
}

/// Returns the id of the blueprint that is made from an image. The id depends only on the image's
/// id, so that a test can predict it.
pub(super) fn blueprint_id_of(image: &str) -> String {
    const ALPHABET: [char; 36] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h',
        'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z',
    ];
    if image == EXAMPLE.0 {
        return EXAMPLE.1.to_owned();
    }
    let digest = Sha256::digest(image);
    let letters = digest
        .iter()
        .take(8)
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()));
    format!("lhbp-{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, SG};
    use super::*;
    use crate::actions::Action;
    use crate::behaviour::ServiceRole;
    use serde_json::json;
    use std::time::Duration;

    fn modify(bench: &mut Bench, image: &str, permission: &str) -> Result<Value, String> {
        bench.call(
            Action::PublishImage,
            json!({"ImageId": image, "Permission": permission}),
        )
    }

    #[test]
    fn an_image_becomes_a_blueprint_and_is_one_no_longer() {
        let mut bench = Bench::new();
        assert_eq!(
            modify(&mut bench, "img-xkd784jw", "SHARE"),
            Ok(json!({"BlueprintId": "lhbp-su83x02a"}))
        );
        let blueprint = &bench.world.regions[SG].blueprints["lhbp-su83x02a"];
        assert_eq!(
            (blueprint.kind, blueprint.image_id.as_str()),
            (BlueprintKind::Shared, "img-xkd784jw")
        );
        assert_eq!(blueprint.state_at(bench.now), BlueprintState::Normal);
        let again = Err("UnsupportedOperation.ImageAlreadyShared".to_owned());
        assert_eq!(modify(&mut bench, "img-xkd784jw", "SHARE"), again);
        let accounts = json!({"BlueprintId": "lhbp-su83x02a", "AccountIds": ["700000164995"]});
        bench.call(Action::ShareBlueprint, accounts).unwrap();
        assert_eq!(
            modify(&mut bench, "img-xkd784jw", "CANCEL"),
            Ok(json!({"BlueprintId": null}))
        );
        assert_eq!(bench.world, Bench::new().world);
        assert_eq!(
            modify(&mut bench, "img-xkd784jw", "CANCEL"),
            Ok(json!({"BlueprintId": null}))
        );
    }

    #[test]
    fn ids_are_the_same_every_time_and_differ_by_image() {
        let (a, b) = (
            blueprint_id_of("img-6pb6lrmy"),
            blueprint_id_of("img-gvbnzy6f"),
        );
        assert_eq!(a, blueprint_id_of("img-6pb6lrmy"));
        assert_ne!(a, b);
        assert!(is_image_id(&a, "lhbp-") && a.len() == 13, "{a}");
    }

    #[test]
    fn a_new_blueprint_is_synchronised_for_as_long_as_told() {
        let mut bench = Bench::new();
        bench.behaviour.publish_delay = Duration::from_secs(30);
        modify(&mut bench, "img-xkd784jw", "SHARE").unwrap();
        let call = json!({"BlueprintId": "lhbp-su83x02a", "AccountIds": ["700000164995"]});
        let early = Err("UnsupportedOperation.BlueprintCurStateInvalid".to_owned());
        assert_eq!(bench.call(Action::ShareBlueprint, call.clone()), early);
        bench.wait(30);
        assert!(bench.call(Action::ShareBlueprint, call).is_ok());
    }

    #[test]
    fn every_condition_has_its_code() {
        const UNABLE: &str = "UnsupportedOperation.ImageUnableToShare";
        for (image, permission, code) in [
            (
                "img-",
                "SHARE",
                "InvalidParameterValue.InvalidImageIdMalformed",
            ),
            (
                "lhbp-6jc6l8yb",
                "SHARE",
                "InvalidParameterValue.InvalidImageIdMalformed",
            ),
            ("img-xkd784jw", "CANEL", "InvalidParameterValue"),
            ("img-xkd784jw", "share", "InvalidParameterValue"),
            ("img-nowhere0", "SHARE", "ResourceNotFound.ImageIdNotFound"),
            ("img-nowhere0", "CANCEL", "ResourceNotFound.ImageIdNotFound"),
            ("img-imported", "SHARE", UNABLE),
            ("img-wholeins", "SHARE", UNABLE),
            ("img-nocloudi", "SHARE", UNABLE),
            ("img-encryptd", "SHARE", UNABLE),
            ("img-byol0000", "SHARE", UNABLE),
            ("img-centos65", "SHARE", UNABLE),
            ("img-received", "SHARE", UNABLE),
            ("img-public00", "SHARE", UNABLE),
            (
                "img-creating",
                "SHARE",
                "UnsupportedOperation.ImageOccupied",
            ),
            (
                "img-occupied",
                "SHARE",
                "UnsupportedOperation.ImageOccupied",
            ),
            ("img-inuse000", "SHARE", "ResourceInUse.ImageInUse"),
        ] {
            let mut bench = Bench::new();
            assert_eq!(
                modify(&mut bench, image, permission),
                Err(code.to_owned()),
                "{image} {permission}"
            );
            assert_eq!(bench.world, Bench::new().world);
        }
    }

    #[test]
    fn without_the_service_role_nothing_goes_to_lighthouse() {
        for (role, code) in [
            (ServiceRole::Missing, "ResourceNotFound.RoleNotFound"),
            (
                ServiceRole::NotAssumable,
                "UnsupportedOperation.AssumeRoleFailed",
            ),
        ] {
            let mut bench = Bench::new();
            bench.behaviour.service_role = role;
            assert_eq!(
                modify(&mut bench, "img-xkd784jw", "SHARE"),
                Err(code.to_owned())
            );
            assert_eq!(
                bench.call(Action::ImagesToShare, json!({})),
                Err(code.to_owned())
            );
        }
    }
}
