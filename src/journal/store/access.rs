//! What opening a remote place needs. In: the process's variables and an HTTP client. Out: an
//! [`Access`] with the variables that a place may use.

use secrecy::SecretString;

/// What opening a remote place needs. A directory or memory uses none of it.
#[derive(Debug, Default)]
pub struct Access {
    /// The variables of the process's environment that [`Access::takes`]: region, credentials,
    /// endpoint.
    pub variables: Vec<(String, SecretString)>,
    /// The HTTP client for the place.
    pub http: Option<reqwest::Client>,
}

impl Access {
    /// Keeps the client and the variables that a place may use.
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

    /// Whether some place may use the variable of this name. Each place reads only those of its own
    /// cloud.
    pub fn takes(name: &str) -> bool {
        name == "IDENTITY_ENDPOINT"
            || ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|cloud| name.starts_with(cloud))
    }
}
