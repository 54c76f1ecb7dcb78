//! What opening a remote place needs. In: the process's variables and a client. Out: an [`Access`]
//! with those variables that a place could want.

use secrecy::SecretString;

/// What opening a remote place needs; nothing of it is used for a directory or memory.
#[derive(Debug, Default)]
pub struct Access {
    /// The variables of the process's environment that [`Access::takes`]: region, credentials,
    /// endpoint.
    pub variables: Vec<(String, SecretString)>,
    /// The client for calls to the place.
    pub http: Option<reqwest::Client>,
}

impl Access {
    /// The client, and of the process's variables those that a place could want.
    pub fn of<'v>(
        variables: impl IntoIterator<Item = (&'v String, &'v String)>,
        http: reqwest::Client,
    ) -> Self {
        let taken = variables.into_iter().filter(|(name, _)| Self::takes(name));
        let variables = taken
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        Self {
            variables,
            http: Some(http),
        }
    }

    /// Whether a variable is looked at, by its name. Each place takes only those of its own cloud.
    pub fn takes(name: &str) -> bool {
        name == "IDENTITY_ENDPOINT"
            || ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|cloud| name.starts_with(cloud))
    }
}
