//! Collects what a remote place may need to be opened: the HTTP client, and environment variables
//! that are chosen by their names. Drops all other variables.

use secrecy::SecretString;

/// The environment variables and the HTTP client for opening a remote place. A directory and memory
/// use neither.
#[derive(Debug, Default)]
pub struct Access {
    /// The environment variables that [`Access::takes`] accepts, such as a region, credentials or
    /// an endpoint. Their names decide, so some of them may be of no use to the place.
    pub variables: Vec<(String, SecretString)>,
    /// The HTTP client for the place.
    pub http: Option<reqwest::Client>,
}

impl Access {
    /// Keeps the client, and those of `variables` that [`Access::takes`] accepts.
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

    /// Whether a place may use the environment variable `name`. A place reads only the variables of
    /// its own cloud.
    pub fn takes(name: &str) -> bool {
        name == "IDENTITY_ENDPOINT"
            || ["AWS_", "GOOGLE_", "AZURE_"]
                .iter()
                .any(|cloud| name.starts_with(cloud))
    }
}
