//! The cloud's two sites. They share no accounts, and differ in what their documents list.

use super::spelled::spelled;

spelled! {
    /// A site, as `cloud.site` names it.
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
