//! What is served over HTTP: to everyone what everyone may know, to the machine's own people how things stand.

mod door;
mod private;
mod public;

pub use door::{Door, Limits, open_tcp, open_unix};
pub use private::{Health, private};
pub use public::{Library, Page, public};
