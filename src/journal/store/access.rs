//! What the journal needs in order to open a remote place: an HTTP client, and those environment
//! variables that belong to a supported cloud. All other variables are dropped.

use secrecy::SecretString;

/// The environment variables and the HTTP client with which a remote place is opened. A directory
/// and memory need neither.
#[derive(Debug, Default)]
pub struct Access {
    /// The environment variables that [`Access::takes`] accepts, such as a region, credentials or
    /// an endpoint. `Access::takes` looks only at their names, so some of them may belong to
    /// another cloud than the place.
    pub variables: Vec<(String, SecretString)>,
    /// The HTTP client for the place.
    pub http: Option<reqwest::Client>,
}

impl Access {
    /// Returns the access that consists of `http` and of those `variables` that [`Access::takes`]
    /// accepts.
    pub fn of<'v>(
        variables: impl IntoIterator<Item = (&'v String, &'v String)>,
        http: reqwest::Client,
    ) -> Self {
        Self {
            http: Some(http),
            ..Self::without_client(variables)
        }
    }

    /// As [`Access::of`], to check the variables only.
    pub fn without_client<'v>(
        variables: impl IntoIterator<Item = (&'v String, &'v String)>,
    ) -> Self {
        let taken = variables.into_iter().filter(|(name, _)| Self::takes(name));
        let variables = taken
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        Self {
            variables,
            http: None,
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
