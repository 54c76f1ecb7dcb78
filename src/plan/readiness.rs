//! Decides from the state and the type that the cloud reports whether an image can be shared. If
//! the state is unknown, the call itself decides. Only the caller's own custom images can be
//! shared, and only in the state NORMAL (API pages).

use crate::domain::{ResultCode, ResultKind};

/// Whether an image can be shared in its current state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Readiness {
    /// The image can be shared, or its state is unknown.
    #[default]
    Ready,
    /// The image cannot be shared in this state, but the state will pass.
    Later(String),
    /// The image cannot be shared for this reason, and waiting does not help.
    Never(String),
}

impl Readiness {
    /// Returns the readiness of a blueprint in this `BlueprintState`.
    pub fn of_blueprint(state: Option<&str>) -> Self {
        const FINAL_STATES: [&str; 7] = [
            "OFFLINE",
            "CREATEFAILED",
            "SYNCING_FAILED",
            "ISOLATING",
            "ISOLATED",
            "DELETING",
            "DESTROYING",
        ];
        match state {
            Some("SYNCING") => Self::Later("SYNCING".to_owned()),
            Some(state) if FINAL_STATES.contains(&state) => {
                Self::Never(format!("its state is {state}"))
            }
            _ => Self::Ready,
        }
    }

    /// Returns the readiness of a CVM image with this `ImageState` and this `ImageType`.
    pub fn of_cvm(state: Option<&str>, kind: Option<&str>) -> Self {
        match (kind, state) {
            (Some("SHARED_IMAGE"), _) => {
                Self::Never("it was received from another account (SHARED_IMAGE)".to_owned())
            }
            (Some("PUBLIC_IMAGE"), _) => {
                Self::Never("it is the provider's own (PUBLIC_IMAGE)".to_owned())
            }
            (_, Some(state @ ("CREATEFAILED" | "IMPORTFAILED"))) => {
                Self::Never(format!("its state is {state}"))
            }
            (_, Some(state @ ("CREATING" | "USING" | "SYNCING" | "IMPORTING"))) => {
                Self::Later(state.to_owned())
            }
            _ => Self::Ready,
        }
    }

    /// Returns the result of an item whose image is not ready, or `None` if the image is ready.
    pub fn failure(&self) -> Option<ResultKind> {
        let (code, message, retryable) = match self {
            Self::Ready => return None,
            Self::Later(state) => {
                let message = format!(
                    "the image is {state} and can only be shared when it is NORMAL — nothing to do: the program tries again later"
                );
                (ResultCode::NotReady, message, true)
            }
            Self::Never(why) => {
                let message = format!(
                    "the image cannot be shared: {why} — share a custom image of this account in the state NORMAL"
                );
                (ResultCode::NotShareable, message, false)
            }
        };
        Some(ResultKind::Failed {
            code: code.into(),
            message,
            retryable,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_states_and_types_stand_in_the_way() {
        let never = |readiness| matches!(readiness, Readiness::Never(_));
        for (state, kind) in [
            (None, None),
            (Some("NORMAL"), Some("PRIVATE_IMAGE")),
            (Some("HOLOGRAM"), Some("NEW")),
        ] {
            assert_eq!(Readiness::of_cvm(state, kind), Readiness::Ready);
            assert_eq!(Readiness::of_blueprint(state), Readiness::Ready);
        }
        assert_eq!(
            Readiness::of_blueprint(Some("SYNCING")),
            Readiness::Later("SYNCING".into())
        );
        assert_eq!(
            Readiness::of_cvm(Some("CREATING"), Some("PRIVATE_IMAGE")),
            Readiness::Later("CREATING".into())
        );
        assert!(never(Readiness::of_blueprint(Some("ISOLATED"))));
        assert!(never(Readiness::of_cvm(Some("IMPORTFAILED"), None)));
        assert!(never(Readiness::of_cvm(
            Some("NORMAL"),
            Some("SHARED_IMAGE")
        )));
        assert!(never(Readiness::of_cvm(
            Some("CREATING"),
            Some("PUBLIC_IMAGE")
        )));
    }
}
