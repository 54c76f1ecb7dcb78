//! The two sites of the cloud. They have separate accounts, host names and documentation.

use super::spelled::spelled;

spelled! {
    /// The site of the cloud.
    #[derive(Default)]
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    Site {
        /// The international site, `*.intl.tencentcloudapi.com`.
        #[default]
        Intl = "intl",
        /// The Chinese site, `*.tencentcloudapi.com`.
        Cn = "cn",
    }
}
