//! What is served over HTTP: to everyone what everyone may know, to the machine's own people how things stand.

mod door;
mod hosts;
mod metrics;
mod page;
mod private;
mod public;

pub use door::{Door, Limits, open_handed, open_tcp, open_unix};
pub use hosts::Hosts;
pub use metrics::Tally;
pub use page::{Asset, Board, Channel, Facts, Shown, Stock, Target, Waiting};
pub use private::{Health, private};
pub use public::{Library, Page, public};
