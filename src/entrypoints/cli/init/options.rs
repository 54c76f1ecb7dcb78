//! Defines the arguments of `init`. clap prints the comments of the fields and of the hosts as
//! help.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(crate) struct InitOptions {
    /// A new or empty folder
    pub(crate) dir: PathBuf,
    /// A sender to receive from, such as jira, github, servicenow, native
    /// (your own program) or queue; repeatable
    #[arg(long = "source", value_name = "NAME", required = true)]
    pub(crate) sources: Vec<String>,
    /// Write the files for this host too; repeatable
    #[arg(long = "host", value_name = "HOST", value_enum)]
    pub(crate) hosts: Vec<DeployTo>,
}

/// A host whose files `init` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeployTo {
    /// AWS Lambda: template.yaml
    Lambda,
    /// Any container host: Dockerfile
    Container,
    /// Knative Serving: service.yaml
    Knative,
    /// Azure Functions: host.json and a folder per trigger
    Azure,
    /// Tencent SCF: scf_bootstrap
    Scf,
}
