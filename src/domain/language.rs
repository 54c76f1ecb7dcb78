//! The languages of notifications and other texts for people who do not operate the program.

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
