//! The languages in which the program writes to people who do not operate it.

use super::spelled::spelled;

spelled! {
    /// The language of a text.
    #[derive(Default)]
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    Language {
        /// English.
        #[default]
        En = "en",
        /// Chinese, in simplified characters.
        Zh = "zh",
    }
}
