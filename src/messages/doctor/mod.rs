//! What only `jpki-doctor` says: findings with their next step, prompts, answers of its commands. Both languages
//! stand side by side.

mod findings;
mod phrases;
#[cfg(test)]
mod tests;

pub use findings::Finding;
pub use phrases::Phrase;

use super::{Language, fill};

/// Fields of a sentence: name and value.
pub type Fields<'a> = &'a [(&'static str, String)];

/// Makes an enum of sentences out of one table. A sentence without its other language does not compile.
macro_rules! catalogue {
    ($(#[$meta:meta])* $name:ident: $of:ty { $($variant:ident $id:literal = $english:expr, $japanese:expr;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(
                #[doc = concat!("See the table: `", stringify!($variant), "`.")]
                $variant,
            )+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant),+];

            /// Its name in JSON, for programs: the same in every language and every version.
            pub fn id(self) -> &'static str {
                match self {
                    $($name::$variant => $id,)+
                }
            }

            /// With its `{places}` empty.
            pub(super) fn template(self, language: $crate::messages::Language) -> $of {
                match (self, language) {
                    $(
                        ($name::$variant, $crate::messages::Language::English) => $english,
                        ($name::$variant, $crate::messages::Language::Japanese) => $japanese,
                    )+
                }
            }
        }
    };
}
use catalogue;

impl Finding {
    /// What was found, and what to do next; the latter is empty when there is nothing to do.
    pub fn say(self, language: Language, fields: Fields<'_>) -> [String; 2] {
        self.template(language).map(|part| fill(part, fields))
    }
}

impl Phrase {
    /// The sentence.
    pub fn say(self, language: Language, fields: Fields<'_>) -> String {
        // Line breaks of the table are kept; those in a field are not.
        fill(self.template(language), fields)
    }
}
