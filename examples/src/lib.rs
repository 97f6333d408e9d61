//! What the demo is made of: a backend whose behaviour can be changed while it runs, and a driver that tells four
//! stories with it.

pub mod backend;
pub mod demo;
