//! The targets. Each function takes a fuzzer's input and panics if a property does not hold.

mod answers;
mod callbacks;
mod changes;
mod history;
mod message;
mod results;
mod settings;
mod stored;
mod text;
mod wire;
mod world;

pub use answers::answers;
pub use callbacks::callbacks;
pub use changes::{CHANGES, rules_without_target};
pub use history::history;
pub use message::{is_well_formed, message, usual_message};
pub use results::results;
pub use settings::settings;
pub use stored::stored;
pub use text::text;
pub use wire::wire;
