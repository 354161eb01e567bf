//! The planner's tests: a bench to set a site up in a few words, and to play time forward.

mod bench;
mod by_hand;
mod compromised;
mod delivering;
mod gates;
mod issuing;
mod jwt;
mod lists;
mod objects;
mod rollover;
mod simulation;
mod speed;
mod stock;
mod text;
mod time;
mod timeline;
mod turning;

use bench::{Bench, Wish, at, ca, certificate, dh, jwt as jwt_key, services};
